"""`POST /v1/links/revoke`: everything by which one user could still sign in."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.verifier.passcode_store import SQL as PASSCODES_SQL
from shared.tokens import new_link_id
from tests.integration.issuer_tenancy.bench import Caller

PATH = "/v1/links/revoke"
_MANY = """
INSERT INTO magiclink.links (id, kid, app_id, user_id, type, channel, lane, metadata, locale, ttl_seconds, grant_ttl_seconds,
    created_at, not_before, expires_at)
SELECT id, '1', $2, $3, 'login', 'email', 'bulk', '{}', 'en', 900, 60, now(), now(), now() + interval '15 minutes'
FROM unnest($1::uuid[]) AS row (id)
"""
_MANY_MESSAGES = """
INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status, lease_until, created_at)
SELECT gen_random_uuid(), id, $2, $3, 'email', 'x@shop.example', 'en', 'bulk', 'queued', now(), now()
FROM unnest($1::uuid[]) AS row (id)
"""


async def make_user(shop: Caller, **fields: str) -> str:
    return str((await shop.ask("POST", "/v1/users", fields)).body["id"])


async def revoked_of(shop: Caller, *links: UUID) -> list[bool]:
    return [(await shop.link_row(link))["revoked_at"] is not None for link in links]


@pytest.mark.parametrize("named", ["user_id", "email", "phone"])
async def test_every_live_link_of_the_user_ends_and_no_other(
    shop: Caller, stranger: Caller, named: str
) -> None:
    fields = {"email": "ann@shop.example", "phone": "+4930123456"}
    user, other = await make_user(shop, **fields), await make_user(shop, email="bob@shop.example")
    foreign_user = await make_user(stranger, **fields)
    live, unsent = await shop.seed_link(user_id=user), await shop.seed_link(user_id=user)
    granted = await shop.seed_link(user_id=user, consumed_ago="5 seconds")
    scheduled = await shop.seed_link(user_id=user)
    await shop.owner.execute(
        "UPDATE magiclink.links SET not_before = now() + interval '1 hour', expires_at = now() + interval '2 hours'"
        " WHERE id = $1",
        scheduled,
    )
    over = await shop.seed_link(user_id=user, expires_in="-1 minute")
    bobs, foreign = await shop.seed_link(user_id=other), await stranger.seed_link(user_id=foreign_user)
    queued = await shop.seed_message(live)

    answer = await shop.ask("POST", PATH, {named: {"user_id": user, **fields}[named]}, x_request_id="req-9")
    expected = sorted(map(str, (live, unsent, granted, scheduled)))
    assert (answer.status, answer.body) == (200, {"revoked": 4, "link_ids": expected})
    assert await revoked_of(shop, live, unsent, granted, scheduled) == [True] * 4
    assert await revoked_of(shop, over, bobs) == [False, False]
    assert await revoked_of(stranger, foreign) == [False]
    status = await shop.owner.fetchval("SELECT status FROM magiclink.messages WHERE id = $1", queued)
    assert status == "revoked"
    (event,) = await shop.events_of(scheduled)
    assert (event["event"]["type"], event["headers"]["x-request-id"]) == (
        "magiclink.link.revoked.v1",
        "req-9",
    )


async def test_links_of_another_type_may_be_left_alone(shop: Caller) -> None:
    user = await make_user(shop, email="ann@shop.example")
    login, invite = await shop.seed_link(user_id=user), await shop.seed_link(user_id=user)
    await shop.owner.execute("UPDATE magiclink.links SET type = 'invite' WHERE id = $1", invite)
    answer = await shop.ask("POST", PATH, {"email": "ANN@shop.example", "type": "invite"})
    assert answer.body == {"revoked": 1, "link_ids": [str(invite)]}
    assert await revoked_of(shop, login) == [False]


async def test_a_user_who_is_not_there_is_answered_like_one_without_links(shop: Caller) -> None:
    await make_user(shop, email="ann@shop.example")
    bodies: list[dict[str, Any]] = [
        {"email": "ann@shop.example"},
        {"email": "nobody@shop.example"},
        {"phone": "+4930123456"},
        {"user_id": str(uuid4())},
    ]
    answers = [await shop.ask("POST", PATH, body) for body in bodies]
    assert [(a.status, a.body) for a in answers] == [(200, {"revoked": 0, "link_ids": []})] * 4


async def test_a_repeated_request_is_given_the_first_answer_and_revokes_nothing_new(shop: Caller) -> None:
    user = await make_user(shop, email="ann@shop.example")
    first = await shop.seed_link(user_id=user)
    answers = await asyncio.gather(
        *(shop.ask("POST", PATH, {"user_id": user}, idempotency_key="once") for _ in range(4))
    )
    later = await shop.seed_link(user_id=user)
    again = await shop.ask("POST", PATH, {"user_id": user}, idempotency_key="once")
    assert {str(a.body) for a in [*answers, again]} == {str({"revoked": 1, "link_ids": [str(first)]})}
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await revoked_of(shop, later) == [False]
    other = await shop.ask("POST", PATH, {"email": "ann@shop.example"}, idempotency_key="once")
    assert (other.status, other.code) == (409, "idempotency_conflict")


async def test_thousands_of_links_end_together(shop: Caller) -> None:
    user = await make_user(shop, email="ann@shop.example")
    ids = [new_link_id() for _ in range(3_000)]
    await shop.owner.execute(_MANY, ids, UUID(shop.app_id), UUID(user))
    await shop.owner.execute(_MANY_MESSAGES, ids, UUID(shop.app_id), UUID(user))
    answer = await shop.ask("POST", PATH, {"user_id": user})
    assert (answer.status, answer.body["revoked"], len(answer.body["link_ids"])) == (200, 3_000, 3_000)
    left = await shop.owner.fetchval(
        "SELECT count(*) FROM magiclink.links WHERE user_id = $1 AND revoked_at IS NULL", UUID(user)
    )
    waiting = await shop.owner.fetchval(
        "SELECT count(*) FROM magiclink.messages WHERE user_id = $1 AND status = 'queued'", UUID(user)
    )
    assert (left, waiting) == (0, 0)


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "ann@shop.example", "phone": "+4930123456"}, {"email": "ann"}, {"user_id": str(uuid4()), "all": True}],
)  # fmt: skip
async def test_a_user_who_is_not_named_clearly_is_refused(shop: Caller, body: dict[str, Any]) -> None:
    assert (await shop.ask("POST", PATH, body)).status == 422


async def test_a_deleted_user_leaves_no_slots_and_no_counted_tries(shop: Caller) -> None:
    user = await make_user(shop, email="ann@shop.example")
    app, other = UUID(shop.app_id), new_link_id()
    for owner in (UUID(user), other):
        await shop.owner.execute(
            "INSERT INTO magiclink.heads VALUES ($1, $2, 'login', 'default', $3)", app, owner, new_link_id()
        )
        await shop.owner.execute(
            "INSERT INTO magiclink.passcode_days VALUES ($1, $2, current_date, 3)", app, owner
        )
    assert (await shop.ask("DELETE", f"/v1/users/{user}")).status == 204
    for table in ("heads", "passcode_days"):
        left = await shop.owner.fetch(f"SELECT user_id FROM magiclink.{table} WHERE app_id = $1", app)
        assert [row["user_id"] for row in left] == [other]


async def test_deleting_a_user_whose_passcodes_are_tried_meanwhile_is_no_deadlock(shop: Caller) -> None:
    user = await make_user(shop, email="ann@shop.example")
    app, older, newer = (
        UUID(shop.app_id),
        await shop.seed_link(user_id=user),
        await shop.seed_link(user_id=user),
    )
    await shop.owner.execute("UPDATE magiclink.links SET passcode_format = 'digits:6' WHERE id = $1", newer)
    await shop.owner.execute(
        "INSERT INTO magiclink.passcode_days VALUES ($1, $2, (now() AT TIME ZONE 'UTC')::date, 3)",
        app,
        UUID(user),
    )
    async with shop.owner.acquire() as connection, connection.transaction():
        # The deletion waits for this row, with all that it locks before links in its hands.
        await connection.execute("SELECT FROM magiclink.links WHERE id = $1 FOR UPDATE", older)
        deleting = asyncio.create_task(shop.ask("DELETE", f"/v1/users/{user}"))
        await _until_waiting(shop, 1)
        # The guess is faster than the deletion or slower: both are right, a deadlock is not.
        guess = (newer, app, uuid4(), UUID(int=1))
        trying = asyncio.create_task(shop.owner.fetch(PASSCODES_SQL.raise_tries, *guess))
        await asyncio.wait([trying], timeout=0.3)
    await trying
    assert (await deleting).status == 204
    assert await revoked_of(shop, older, newer) == [True, True]
    assert not await shop.owner.fetch("SELECT FROM magiclink.passcode_days WHERE user_id = $1", UUID(user))


async def _until_waiting(shop: Caller, backends: int) -> None:
    """Wait until so many backends of this database wait for a lock."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(100):
        if await shop.owner.fetchval(sql) == backends:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")
