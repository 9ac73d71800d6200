"""Issuing beside a change of the user: no link goes to an address that its user has just left."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg

from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import Seeds

CHANGE = "UPDATE magiclink.users SET email = $2 WHERE id = $1"


async def _change_meanwhile(
    owner: asyncpg.Connection, issuer: RunningIssuer, request: dict[str, Any], statement: str, *args: Any
) -> tuple[int, Any]:
    """Ask for a link while a change of its user is under way; return the answer, after the change."""
    async with owner.transaction():
        await owner.execute("SELECT FROM magiclink.users WHERE id = $1 FOR UPDATE", args[0])
        await owner.execute(statement, *args)
        asking = asyncio.create_task(issuer.post("/v1/links", request))
        await asyncio.wait([asking], timeout=0.5)
        assert not asking.done()  # it waits for what becomes of its user
    status, body, _ = await asking
    return status, body


async def _recipient(owner: asyncpg.Connection, link_id: str) -> str:
    return str(await owner.fetchval("SELECT recipient FROM magiclink.messages WHERE link_id = $1", link_id))


async def test_a_link_asked_for_by_user_id_goes_to_the_address_that_the_user_has_after_the_change(
    issuer: RunningIssuer, owner: asyncpg.Connection, seeds: Seeds
) -> None:
    user_id, new = await seeds.user(issuer.app), f"{uuid4().hex}@example.com"
    request = {"user_id": str(user_id), "channel": "email"}
    status, body = await _change_meanwhile(owner, issuer, request, CHANGE, user_id, new)
    assert status == 201
    assert await _recipient(owner, body["link"]["id"]) == new


async def test_the_old_address_is_somebody_else_after_the_change(
    issuer: RunningIssuer, owner: asyncpg.Connection, seeds: Seeds
) -> None:
    user_id = await seeds.user(issuer.app, "old@example.com")
    request = {"email": "old@example.com", "channel": "email"}
    new = f"{uuid4().hex}@example.com"
    status, body = await _change_meanwhile(owner, issuer, request, CHANGE, user_id, new)
    assert status == 201
    assert body["link"]["user_id"] != str(user_id)


async def test_a_user_who_is_being_deleted_gets_no_link(
    issuer: RunningIssuer, owner: asyncpg.Connection, seeds: Seeds
) -> None:
    user_id = await seeds.user(issuer.app)
    status, body = await _change_meanwhile(
        owner, issuer, {"user_id": str(user_id)}, "DELETE FROM magiclink.users WHERE id = $1", user_id
    )
    assert (status, body["errors"][0]["rule"]) == (422, "user_unknown")


async def test_a_user_whom_another_replica_makes_meanwhile_is_taken_and_not_made_again(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    email, theirs = f"{uuid4().hex}@example.com", uuid4()
    async with owner.transaction():
        await owner.execute(
            "INSERT INTO magiclink.users (id, app_id, email) VALUES ($1, $2, $3)",
            theirs,
            issuer.app.id,
            email,
        )
        asking = asyncio.create_task(issuer.post("/v1/links", {"email": email, "channel": "email"}))
        await asyncio.wait([asking], timeout=0.5)
        assert not asking.done()  # it waits for the other one to commit
    status, body, _ = await asking
    assert (status, body["link"]["user_id"], body["user_created"]) == (201, str(theirs), False)
