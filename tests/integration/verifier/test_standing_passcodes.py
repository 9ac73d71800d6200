"""Passcodes without a holder, of a user by id and channel, and the event that tells of a wrong one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.dev.postgres import Postgres
from services.verifier.passcode_store import Holder, PasscodeStore
from services.verifier.refusals import Refusals
from shared.database import Pool
from shared.guesses import MISSES_PER_ADDRESS_PER_HOUR
from shared.outbox import OutboxBell
from shared.tokens import passcode_lookup
from tests.integration.verifier.conftest import running_verifier, verifier_settings
from tests.integration.verifier.test_passcodes import (
    by_id,
    link_with_passcode,
    passcode_of,
    tries_of,
    wrong,
)
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import RINGS, SeededApp, SeededLink, Seeds

RING = RINGS["verifier"]


@pytest.fixture
async def standalone(seeds: Seeds) -> SeededApp:
    return await seeds.app(passcode_standalone=True)


async def standing_link(seeds: Seeds, app: SeededApp, form: str = "digits:6", **columns: Any) -> SeededLink:
    link = await link_with_passcode(seeds, app, form, **columns)
    await stand(seeds, app, link, passcode_of(link, form))
    return link


async def stand(
    seeds: Seeds, app: SeededApp, link: SeededLink, code: str, lookup: bytes | None = None
) -> None:
    await seeds.connection.execute(
        "INSERT INTO magiclink.passcode_lookups VALUES ($1, $2, $3, now() + interval '15 minutes')",
        app.id, lookup or passcode_lookup(RING, link.ref.kid, app.id, code), link.id,
    )  # fmt: skip


async def refusals_of(owner: asyncpg.Connection, link: SeededLink) -> list[dict[str, Any]]:
    rows = await owner.fetch(
        "SELECT value FROM magiclink.outbox WHERE key = $1 ORDER BY id", str(link.user_id)
    )
    events = [orjson.loads(row["value"]) for row in rows]
    return [event for event in events if event["type"] == "magiclink.passcode.refused.v1"]


async def test_a_passcode_that_stands_alone_needs_no_holder_and_its_winner_may_ask_again(
    verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, standalone)
    code = passcode_of(link)
    first = await verifier.verify_passcode(standalone, f"{code[:3]} {code[3:]}", "k")
    assert (first.status, first.json["link"]["id"]) == (200, str(link.id))
    again = await verifier.verify_passcode(standalone, code, "k")
    assert (again.status, again.headers.get("Idempotency-Replayed")) == (200, "true")
    assert (await verifier.verify_passcode(standalone, code, "another")).code == "passcode_invalid"


async def test_of_many_who_type_one_passcode_at_once_one_wins(
    verifier: RunningVerifier, second_verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, standalone)
    asking = [
        one.verify_passcode(standalone, passcode_of(link))
        for one in (verifier, second_verifier)
        for _ in range(15)
    ]
    assert [answer.status for answer in await asyncio.gather(*asking)].count(200) == 1


async def test_in_another_app_a_passcode_needs_a_holder(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, app)
    answer = await verifier.verify_passcode(app, passcode_of(link))
    assert (answer.status, answer.json["errors"][0]["rule"]) == (422, "one_holder")


async def test_a_passcode_of_another_app_is_unknown(
    verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, await seeds.app(passcode_standalone=True))
    assert (await verifier.verify_passcode(standalone, passcode_of(link))).code == "passcode_invalid"


async def test_a_void_passcode_is_refused_though_its_lookup_is_still_there(
    verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await standing_link(seeds, standalone)
    await owner.execute("UPDATE magiclink.links SET passcode_epoch = 1 WHERE id = $1", link.id)
    assert (await verifier.verify_passcode(standalone, passcode_of(link))).code == "passcode_invalid"


async def test_a_passcode_that_stands_for_two_links_signs_nobody_in(
    verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds, verifier_pool: Pool
) -> None:
    link, other = await standing_link(seeds, standalone), await link_with_passcode(seeds, standalone)
    await stand(seeds, standalone, other, "", b"under another key")
    lookups = [passcode_lookup(RING, link.ref.kid, standalone.id, passcode_of(link)), b"under another key"]
    store = PasscodeStore(verifier_pool)
    assert await store.find_standing(standalone.id, lookups) == []
    found = await store.find_standing(standalone.id, lookups[:1])
    assert found is not None
    assert [row["id"] for row in found] == [link.id]


async def test_whoever_guesses_at_anybodys_passcode_is_stopped_by_address(
    verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, standalone)
    guesser, somebody = {"ip": "203.0.113.9"}, {"ip": "203.0.113.10"}
    for number in range(MISSES_PER_ADDRESS_PER_HOUR):
        assert (await verifier.verify_passcode(standalone, wrong(link, number), client=guesser)).status == 400
    stopped = await verifier.verify_passcode(standalone, passcode_of(link), client=guesser)
    assert (stopped.status, stopped.code) == (429, "rate_limited")
    # A long text is no guess at a short passcode, and is refused like all others.
    assert (await verifier.verify_passcode(standalone, "f" * 64, client=guesser)).status == 400
    assert (await verifier.verify_passcode(standalone, passcode_of(link), client=somebody)).status == 200


async def test_the_addresses_of_one_ipv6_network_are_one_guesser(
    verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, standalone)
    for number in range(MISSES_PER_ADDRESS_PER_HOUR):
        guesser = {"ip": f"2001:db8::{number:x}"}
        assert (await verifier.verify_passcode(standalone, wrong(link, number), client=guesser)).status == 400
    stopped = await verifier.verify_passcode(standalone, passcode_of(link), client={"ip": "2001:db8::f:1"})
    assert (stopped.status, stopped.code) == (429, "rate_limited")
    neighbour = {"ip": "2001:db8:0:1::1"}
    assert (await verifier.verify_passcode(standalone, passcode_of(link), client=neighbour)).status == 200


async def test_those_who_know_their_passcodes_use_nothing_up(verifier: RunningVerifier, seeds: Seeds) -> None:
    standalone = await seeds.app(passcode_standalone=True, passcode_tries_per_day=1000)
    for _ in range(MISSES_PER_ADDRESS_PER_HOUR + 3):
        link = await standing_link(seeds, standalone)
        answer = await verifier.verify_passcode(standalone, passcode_of(link), client={"ip": "203.0.113.9"})
        assert answer.status == 200


@pytest.fixture
async def verifier_without_redis(database_server: Postgres) -> AsyncIterator[RunningVerifier]:
    settings = verifier_settings(database_server, "redis://127.0.0.1:1/0", redis_budget_ms=100)
    async with running_verifier(settings) as running:
        yield running


async def test_without_redis_nobody_guesses_and_nothing_is_burnt(
    verifier_without_redis: RunningVerifier, verifier: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, standalone)
    away = await verifier_without_redis.verify_passcode(standalone, passcode_of(link))
    assert (away.status, away.code) == (503, "unavailable")
    # With a holder, five durable tries stop a guesser: that goes on.
    held = await standing_link(seeds, standalone)
    assert (
        await verifier_without_redis.verify_passcode(standalone, passcode_of(held), **by_id(held))
    ).status == 200
    assert (await verifier.verify_passcode(standalone, passcode_of(link))).status == 200


async def test_a_long_passcode_needs_no_redis(
    verifier_without_redis: RunningVerifier, standalone: SeededApp, seeds: Seeds
) -> None:
    link = await standing_link(seeds, standalone, "bytes:32")
    answer = await verifier_without_redis.verify_passcode(standalone, passcode_of(link, "bytes:32"))
    assert answer.status == 200


async def test_a_passcode_is_found_by_its_users_id_and_by_the_channel_it_was_sent_by(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    mailed = await link_with_passcode(seeds, app, channel="email")
    texted = await link_with_passcode(seeds, app, channel="sms")
    holder = {"user_id": str(mailed.user_id)}
    # The newest of all is the one that was texted.
    assert (await verifier.verify_passcode(app, passcode_of(mailed), **holder)).code == "passcode_invalid"
    by_mail = await verifier.verify_passcode(app, passcode_of(mailed), **holder, channel="email")
    assert (by_mail.status, by_mail.json["link"]["id"]) == (200, str(mailed.id))
    assert (await verifier.verify_passcode(app, passcode_of(texted), **holder)).status == 200


@pytest.mark.parametrize(
    ("sent_by", "named", "found"),
    [
        ("sms", "phone", True),
        ("whatsapp", "phone", True),
        ("whatsapp", "sms", False),
        ("email", "phone", False),
    ],
)
async def test_a_phone_is_reached_by_sms_and_by_whatsapp(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, sent_by: str, named: str, *, found: bool
) -> None:
    link = await link_with_passcode(seeds, app, channel=sent_by)
    holder = {"user_id": str(link.user_id), "channel": named}
    answer = await verifier.verify_passcode(app, passcode_of(link), **holder)
    assert answer.status == (200 if found else 400)


async def test_a_foreign_user_id_is_nobody(verifier: RunningVerifier, app: SeededApp, seeds: Seeds) -> None:
    link = await link_with_passcode(seeds, await seeds.app())
    holder = {"user_id": str(link.user_id)}
    assert (await verifier.verify_passcode(app, passcode_of(link), **holder)).code == "passcode_invalid"


@pytest.mark.parametrize(
    ("holder", "rule"),
    [
        ({"user_id": str(UUID(int=1)), "email": "ann@example.com"}, "one_holder"),
        ({"link_id": str(UUID(int=1)), "phone": "+12025550100"}, "one_holder"),
        ({"channel": "email"}, "channel_needs_user"),
        ({"link_id": str(UUID(int=1)), "channel": "email"}, "channel_needs_user"),
    ],
)
async def test_holders_that_do_not_go_together_are_refused(
    verifier: RunningVerifier, app: SeededApp, holder: dict[str, str], rule: str
) -> None:
    answer = await verifier.verify_passcode(app, "123456", **holder)
    assert (answer.status, answer.json["errors"][0]["rule"]) == (422, rule)


async def test_each_wrong_passcode_that_was_counted_is_told_once(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app)
    for number, key in ((0, "a"), (0, "a"), (1, "b")):
        await verifier.verify_passcode(app, wrong(link, number), key, **by_id(link))
    async with asyncio.timeout(10):
        while len(await refusals_of(owner, link)) < 2:
            await asyncio.sleep(0.1)
    await asyncio.sleep(1.2)
    told = await refusals_of(owner, link)
    assert [event["id"] for event in told] == [f"{link.id}.passcode.{number}" for number in (1, 2)]
    assert told[1]["data"] == {
        "link_id": str(link.id), "app_id": str(app.id), "user_id": str(link.user_id), "tries": 2,
    }  # fmt: skip
    # The right one, and guesses that are not compared any more, tell nothing.
    for number in range(5):
        await verifier.verify_passcode(app, wrong(link, 10 + number), **by_id(link))
    await asyncio.sleep(2.2)
    assert len(await refusals_of(owner, link)) == await tries_of(owner, link) == 5


class AwayOnce(PasscodeStore):
    """Loses the connection the first time."""

    failed = False

    async def tell_refused(self, tries: Any) -> None:
        if not self.failed:
            self.failed = True
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        await super().tell_refused(tries)


async def test_what_is_to_be_told_outlives_an_outage_of_the_database(
    verifier_pool: Pool, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app)
    bell = OutboxBell(verifier_pool)
    refusals = Refusals(AwayOnce(verifier_pool), bell)
    row: Any = {
        "id": link.id, "app_id": app.id, "user_id": link.user_id, "passcode_tries": 3, "asks_again": False,
        "tried_at": await owner.fetchval("SELECT now()"),
    }  # fmt: skip
    refusals.tell(row, "r")
    await refusals.flush()
    assert await refusals_of(owner, link) == []
    await refusals.flush()
    assert [event["data"]["tries"] for event in await refusals_of(owner, link)] == [3]
    await refusals.flush()
    assert len(await refusals_of(owner, link)) == 1
    await bell.close()


def test_a_channel_alone_is_nobody() -> None:
    assert Holder().is_nobody
    assert Holder(channel="email").is_nobody
    assert not Holder(user_id=UUID(int=1)).is_nobody
