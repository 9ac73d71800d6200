"""Twilio's status callbacks: only with a right signature, only forward."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
import asyncpg
import orjson
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from services.notifier.callbacks import TwilioCallbacks
from shared.cache import Cache
from shared.database import Pool
from shared.http.edge import Edge
from shared.limits import FailOpenBucket
from shared.outbox import OutboxBell
from shared.tokens import new_link_id
from tests.seeds import Seeds, one_row

TOKEN = "twilio-auth-token"
PUBLIC = "https://notify.example.com"


@dataclass
class Callbacks:
    url: str
    session: aiohttp.ClientSession

    async def say(
        self, message_id: UUID, status: str, *, attempt: int = 1, signed_with: str = TOKEN, **fields: str
    ) -> int:
        query = urlencode({"message_id": str(message_id), "attempt": attempt})
        path = f"/callbacks/twilio?{query}"
        form = {"MessageStatus": status, "MessageSid": "SM1", **fields}
        signature = RequestValidator(signed_with).compute_signature(PUBLIC + path, form)
        headers = {"X-Twilio-Signature": signature}
        async with self.session.post(self.url + path, data=form, headers=headers) as response:
            return response.status


@pytest.fixture
async def callbacks(notifier_pool: Pool, cache: Cache) -> AsyncIterator[Callbacks]:
    bell = OutboxBell(notifier_pool)
    edge = Edge(
        api_keys=None,
        address_limit=FailOpenBucket(cache, "test-callbacks", 100_000),
        key_limit=FailOpenBucket(cache, "test-callbacks", 100_000),
        request_timeout_seconds=5,
    )
    app = edge.application(TwilioCallbacks(notifier_pool, bell, TOKEN, PUBLIC).routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as session:
        yield Callbacks(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    await runner.cleanup()
    await bell.close()


async def sms(seeds: Seeds, status: str, **columns: Any) -> UUID:
    app = await seeds.app()
    link = await seeds.link(app, **columns)
    message_id = new_link_id()
    await seeds.connection.execute(
        "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status, attempts,"
        " created_at) VALUES ($1, $2, $3, $4, 'sms', '+12025550100', 'en', 'interactive', $5, 1, now())",
        message_id, link.id, app.id, link.user_id, status,
    )  # fmt: skip
    return message_id


async def status_of(owner: asyncpg.Connection, message_id: UUID) -> Any:
    return (await one_row(owner, "SELECT status FROM magiclink.messages WHERE id = $1", message_id))["status"]


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        ("accepted", "delivered", "delivered"),
        ("accepted", "undelivered", "undelivered"),
        ("unknown", "sent", "accepted"),
        ("unknown", "failed", "failed"),
        ("unknown", "read", "delivered"),
        ("sending", "delivered", "delivered"),
        ("accepted", "failed", "failed"),
        ("accepted", "sent", "accepted"),
        # The sweeper queued the next attempt, then the report of the last one came: nothing goes out twice.
        ("queued", "delivered", "delivered"),
        ("queued", "failed", "failed"),
        ("undelivered", "sent", "undelivered"),
        ("undelivered", "delivered", "undelivered"),
        ("failed", "sent", "failed"),
        ("expired", "sent", "expired"),
        ("revoked", "delivered", "revoked"),
        ("delivered", "sent", "delivered"),
        ("failed", "delivered", "failed"),
        ("accepted", "queued", "accepted"),
    ],
)
async def test_a_signed_callback_moves_a_message_only_forward(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection, before: str, said: str, after: str
) -> None:
    message_id = await sms(seeds, before)
    assert await callbacks.say(message_id, said) == 204
    assert await status_of(owner, message_id) == after


async def test_a_wrong_signature_changes_nothing(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await sms(seeds, "accepted")
    assert await callbacks.say(message_id, "delivered", signed_with="another") == 403
    async with callbacks.session.post(f"{callbacks.url}/callbacks/twilio", data={}) as response:
        assert response.status == 403
    assert await status_of(owner, message_id) == "accepted"


async def test_a_callback_of_an_older_attempt_changes_nothing(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await sms(seeds, "accepted")
    assert await callbacks.say(message_id, "failed", attempt=0) == 204
    assert await status_of(owner, message_id) == "accepted"


@pytest.mark.parametrize("status", ["delivered", "undelivered", "failed"])
async def test_product_services_are_told_what_the_provider_reports(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection, status: str
) -> None:
    await owner.execute("DELETE FROM magiclink.outbox")
    message_id = await sms(seeds, "accepted")
    for _ in range(2):  # Twilio repeats a callback whose answer it did not get
        assert await callbacks.say(message_id, status, ErrorCode="30003") == 204
    values = await owner.fetch("SELECT value FROM magiclink.outbox WHERE lane = 'events'")
    (event,) = [orjson.loads(row["value"]) for row in values]
    assert (event["type"], event["subject"]) == (f"magiclink.message.{status}.v1", str(message_id))
    assert "30003" not in str(event)


async def life_of(owner: asyncpg.Connection, message_id: UUID) -> tuple[bool, float]:
    row = await one_row(
        owner,
        "SELECT l.accepted_at IS NOT NULL AS begun, extract(epoch FROM l.expires_at - now())::float8 AS left"
        " FROM magiclink.links l JOIN magiclink.messages m ON m.link_id = l.id WHERE m.id = $1",
        message_id,
    )
    return row["begun"], row["left"]


@pytest.mark.parametrize(
    ("before", "said", "begins"),
    [
        ("unknown", "sent", True),
        ("unknown", "delivered", True),
        ("sending", "sent", True),
        ("unknown", "undelivered", False),
        ("unknown", "failed", False),
        ("unknown", "queued", False),
        ("failed", "delivered", False),
    ],
)
async def test_a_reported_acceptance_begins_the_life_of_the_link(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection, before: str, said: str, begins: bool
) -> None:
    message_id = await sms(seeds, before, lives_seconds=86_400, ttl_from_acceptance=True)
    assert await callbacks.say(message_id, said) == 204
    begun, left = await life_of(owner, message_id)
    assert begun == begins
    assert left <= 900 if begins else left > 86_000


async def test_a_second_report_extends_nothing(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await sms(seeds, "unknown", lives_seconds=86_400, ttl_from_acceptance=True)
    assert await callbacks.say(message_id, "sent") == 204
    await owner.execute(
        "UPDATE magiclink.links SET expires_at = expires_at - interval '10 minutes'"
        " WHERE id = (SELECT link_id FROM magiclink.messages WHERE id = $1)",
        message_id,
    )
    assert await callbacks.say(message_id, "delivered") == 204
    assert (await life_of(owner, message_id))[1] <= 300


async def test_the_providers_words_are_kept(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await sms(seeds, "accepted")
    assert await callbacks.say(message_id, "undelivered", ErrorCode="30003") == 204
    row = await one_row(owner, "SELECT last_error FROM magiclink.messages WHERE id = $1", message_id)
    assert row["last_error"] == "30003"
