"""What `GET /v1/links/{id}` tells beyond deliveries: visits, refusals, and the links that followed."""

from typing import Any
from uuid import UUID

import aiohttp

from shared.database import Pool
from shared.tokens import new_link_id
from tests.integration.issuer_tenancy.bench import Caller, Replica, new_caller

_VISIT = (
    "INSERT INTO magiclink.link_visits (link_id, app_id, event, visitor, detail) VALUES ($1, $2, $3, $4, $5)"
)


async def read(shop: Caller, link: UUID) -> Any:
    answer = await shop.ask("GET", f"/v1/links/{link}")
    assert answer.status == 200
    return answer.body


def told(body: Any, event: str) -> list[dict[str, Any]]:
    return [found for found in body["timeline"] if found["event"] == event]


async def put_in_slot(shop: Caller, link: UUID, user: UUID, *, after_seconds: float = 0) -> None:
    """Make a link the newest of its user's slot, as the issuer does."""
    await shop.owner.execute(
        "UPDATE magiclink.links SET slot = 'default', created_at = now() + make_interval(secs => $2) WHERE id = $1",
        link, after_seconds,
    )  # fmt: skip
    await shop.owner.execute(
        "INSERT INTO magiclink.heads VALUES ($1, $2, 'login', 'default', $3)"
        " ON CONFLICT (app_id, user_id, type, slot) DO UPDATE SET link_id = excluded.link_id",
        UUID(shop.app_id), user, link,
    )  # fmt: skip


async def test_visits_are_told_with_scanners_apart_and_refusals_with_their_reason(shop: Caller) -> None:
    link = await shop.seed_link()
    for event, visitor, detail in (
        ("visited", "scanner", "Proofpoint on 203.0.113.9"),
        ("visited", "browser", None),
        ("refused", "api", "link_expired"),
    ):
        await shop.owner.execute(_VISIT, link, UUID(shop.app_id), event, visitor, detail)
    body = await read(shop, link)
    assert [(e["visitor"], "code" in e) for e in told(body, "visited")] == [
        ("scanner", False),
        ("browser", False),
    ]
    (refused,) = told(body, "refused")
    assert (refused["visitor"], refused["code"]) == ("api", "link_expired")
    assert "203.0.113.9" not in str(body)


async def test_a_visit_of_another_apps_link_is_not_told(shop: Caller, stranger: Caller) -> None:
    link = await shop.seed_link()
    await shop.owner.execute(_VISIT, link, UUID(stranger.app_id), "visited", "browser", None)
    assert told(await read(shop, link), "visited") == []


async def test_a_superseded_link_names_the_link_that_took_its_slot(shop: Caller) -> None:
    user = new_link_id()
    links = [await shop.seed_link(user_id=user) for _ in range(3)]
    for number, link in enumerate(links):
        await put_in_slot(shop, link, user, after_seconds=number)
    first, newest = await read(shop, links[0]), await read(shop, links[2])
    assert (first["link"]["status"], first["link"]["slot"]) == ("superseded", "default")
    (event,) = told(first, "superseded")
    assert event["link_id"] == str(links[1])
    assert told(newest, "superseded") == []
    assert newest["link"]["status"] == "issued"


async def test_an_expired_link_names_the_one_that_renewed_it(shop: Caller) -> None:
    user = new_link_id()
    old = await shop.seed_link(user_id=user, expires_in="-1 minute")
    new = await shop.seed_link(user_id=user)
    await shop.owner.execute("UPDATE magiclink.links SET renewed_from = $2 WHERE id = $1", new, old)
    body = await read(shop, old)
    assert [e["link_id"] for e in told(body, "renewed")] == [str(new)]
    assert told(await read(shop, new), "renewed") == []


async def test_a_link_tells_its_binding_and_whether_its_passcode_is_locked(shop: Caller) -> None:
    link = await shop.seed_link()
    told_first = (await read(shop, link))["link"]
    assert (told_first["binding"], told_first["slot"], told_first["passcode_locked"]) == (
        "prefer",
        None,
        False,
    )
    await shop.owner.execute("UPDATE magiclink.links SET passcode_tries = 5 WHERE id = $1", link)
    assert (await read(shop, link))["link"]["passcode_locked"] is True


async def test_what_the_provider_reports_later_is_told_in_its_words_and_masked_without_the_scope(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool, shop: Caller
) -> None:
    limited = await new_caller(http, replica, owner, ["links:create"])
    for caller, shown in ((shop, True), (limited, False)):
        link = await caller.seed_link()
        message = await caller.seed_message(link, "undelivered", "ann@shop.example")
        await owner.execute(
            "UPDATE magiclink.messages SET last_error = '30003: ann@shop.example is away', accepted_at = now() WHERE id = $1",
            message,
        )
        body = await read(caller, link)
        assert len(told(body, "accepted")) == 1
        (event,) = told(body, "undelivered")
        assert event["detail"].startswith("30003")
        assert ("ann@shop.example" in str(body)) is shown
