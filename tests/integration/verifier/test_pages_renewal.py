"""`/l/{token}/renew`: a new link for an expired one, asked for on its page."""

import asyncio
from typing import Any

import asyncpg
import orjson
import pytest

from services.dev.postgres import Postgres
from tests.integration.verifier.conftest import running_verifier, verifier_settings
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import SeededApp, SeededLink, Seeds

OWN = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
SAID = "a new link is on its way to <bdi>a•••@example.com</bdi>"


async def sent_link(seeds: Seeds, app: SeededApp, **columns: Any) -> SeededLink:
    """Make a link that we sent by mail; expired unless told otherwise."""
    link = await seeds.link(app, **{"channel": "email", "lives_seconds": -1, **columns})
    await seeds.connection.execute(
        "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status, created_at)"
        " VALUES (gen_random_uuid(), $1, $2, $3, 'email', 'ann@example.com', 'en', 'interactive', 'accepted', now())",
        link.id,
        app.id,
        link.user_id,
    )
    return link


async def renew(verifier: RunningVerifier, link: SeededLink, **headers: str) -> Answer:
    return await verifier.ask("POST", f"/l/{link.token}/renew", headers=headers or OWN, data=b"")


async def asked_for(owner: asyncpg.Connection, link: SeededLink) -> list[asyncpg.Record]:
    rows = await owner.fetch("SELECT * FROM magiclink.outbox WHERE topic = 'magiclink.renewals' ORDER BY id")
    return [row for row in rows if orjson.loads(row["value"])["subject"] == str(link.id)]


async def test_the_page_of_an_expired_link_offers_a_new_one(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await sent_link(seeds, app)
    for answer in (await verifier.get(link.token), await verifier.press(link.token)):
        assert answer.status == 410
        assert f'<form method="post" action="{link.token}/renew">' in answer.text
        assert "a•••@example.com" in answer.text


async def test_pressing_it_asks_the_issuer_and_changes_nothing_of_the_link(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await sent_link(seeds, app)
    before = await owner.fetchrow("SELECT l.xmin, l.* FROM magiclink.links l WHERE id = $1", link.id)
    answer = await renew(verifier, link)
    assert answer.status == 200
    assert SAID in answer.text
    (row,) = await asked_for(owner, link)
    assert (row["lane"], row["key"]) == ("interactive", str(link.user_id))
    event = orjson.loads(row["value"])
    assert event["type"] == "magiclink.link.renewal_requested.v1"
    assert (event["id"], event["source"]) == (f"{link.id}.renewal", "/verifier")
    assert event["data"] == {
        "link_id": str(link.id), "app_id": str(app.id), "user_id": str(link.user_id)
    }  # fmt: skip
    assert (
        await owner.fetchrow("SELECT l.xmin, l.* FROM magiclink.links l WHERE id = $1", link.id)
    ) == before


async def test_pressing_again_asks_for_the_same_thing_and_not_without_end(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await sent_link(seeds, app)
    answers = await asyncio.gather(*(renew(verifier, link) for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    assert all(SAID in answer.text for answer in answers)
    rows = await asked_for(owner, link)
    assert 1 <= len(rows) <= 2
    assert len({orjson.loads(row["value"])["id"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("columns", "change"),
    [
        ({"lives_seconds": 900}, ""),
        ({}, "consumed_at = now()"),
        ({}, "revoked_at = now()"),
        ({}, "slot = 'default'"),  # and no head: a newer link has its place
        ({}, "binding = 'require'"),
    ],
    ids=str,
)
async def test_a_link_that_anything_else_ended_asks_for_nothing_and_the_answer_is_the_same(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection, columns: dict[str, Any], change: str
) -> None:  # fmt: skip
    link = await sent_link(seeds, app, **columns)
    if change:
        await owner.execute(f"UPDATE magiclink.links SET {change} WHERE id = $1", link.id)
    answer = await renew(verifier, link)
    assert answer.status == 200
    assert SAID in answer.text
    assert await asked_for(owner, link) == []


async def test_a_link_that_we_never_sent_asks_for_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, lives_seconds=-1)
    assert "renew" not in (await verifier.get(link.token)).text
    assert (await renew(verifier, link)).status == 200
    assert await asked_for(owner, link) == []


async def test_a_link_of_a_deleted_user_names_nobody_and_asks_for_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await sent_link(seeds, app)
    await owner.execute("DELETE FROM magiclink.users WHERE id = $1", link.user_id)
    answer = await renew(verifier, link)
    assert answer.status == 404
    assert "•••" not in answer.text
    assert await asked_for(owner, link) == []


async def test_another_site_cannot_press_it(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await sent_link(seeds, app)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await renew(verifier, link, **headers)).status == 403
    assert (await verifier.ask("POST", "/l/nonsense/renew", headers=OWN)).status == 404
    assert await asked_for(owner, link) == []


async def test_its_address_leads_back_to_the_links_page(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await sent_link(seeds, app)
    answer = await verifier.ask("GET", f"/l/{link.token}/renew")
    assert (answer.status, answer.headers["Location"]) == (303, f"../{link.token}")
    assert (await verifier.ask("GET", "/l/nonsense/renew")).status == 404


async def test_without_redis_it_works_all_the_same(
    database_server: Postgres, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    settings = verifier_settings(database_server, "redis://127.0.0.1:1/0", redis_budget_ms=50)
    async with running_verifier(settings) as alone:
        link = await sent_link(seeds, app)
        assert (await renew(alone, link)).status == 200
        assert len(await asked_for(owner, link)) == 1
