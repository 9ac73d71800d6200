"""Twilio's status callbacks: only with a right signature, only forward."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
import asyncpg
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


async def sms(seeds: Seeds, status: str) -> UUID:
    app = await seeds.app()
    link = await seeds.link(app)
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


async def test_the_providers_words_are_kept(
    callbacks: Callbacks, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await sms(seeds, "accepted")
    assert await callbacks.say(message_id, "undelivered", ErrorCode="30003") == 204
    row = await one_row(owner, "SELECT last_error FROM magiclink.messages WHERE id = $1", message_id)
    assert row["last_error"] == "30003"
