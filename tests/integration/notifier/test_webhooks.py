"""Webhooks: whom an event is told to, how often it is tried, and that a crash loses nothing. The receiver is a real server."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import ConsumerRecord

from services.notifier.webhook_delivery import WebhookDelivery, WebhookParts
from services.notifier.webhook_fan_out import WebhookFanOut
from services.notifier.webhook_post import WebhookPoster
from shared.bus import Event, encode_event
from shared.consumer import Record
from shared.database import Pool
from shared.outbox import OutboxBell
from shared.tokens import new_link_id
from shared.webhooks import WebhookInvalid, secret_of, verify
from tests.seeds import RINGS, SeededApp, Seeds, one_row

ID = "webhook-id"


@dataclass
class Receiver:
    """A product's endpoint: remembers what it was sent, and answers as told."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        sent = {name.lower(): value for name, value in request.headers.items()}
        self.got.append((sent, await request.read()))
        if self.gate is not None:
            await self.gate.wait()
        return web.Response(status=self.status, headers=self.headers, text="x" * 100_000)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", found.take)
    server = TestServer(app)
    await server.start_server()
    found.url = str(server.make_url("/hooks"))
    yield found
    await server.close()


class Post:
    """A notifier's two consumers of webhooks."""

    def __init__(self, pool: Pool, owner: asyncpg.Connection) -> None:
        self.bell = OutboxBell(pool)
        self.poster = WebhookPoster(anywhere=True)
        self.fan_out = WebhookFanOut(pool, self.bell)
        parts = WebhookParts(
            self.poster, RINGS["notifier"], self.bell, pauses_seconds=(0.0, 0.0), jitter=lambda: 0.0
        )
        self.delivery = WebhookDelivery(pool, parts)
        self._owner = owner

    async def tell(self, *events: Event) -> int:
        return await self.fan_out.handle([record(encode_event(event)) for event in events])

    async def deliver(self, endpoint_id: UUID) -> int:
        """Hand over what the relay would have brought of an endpoint; return how many records there were."""
        rows = await self._owner.fetch(
            "DELETE FROM magiclink.outbox WHERE topic = 'magiclink.webhooks' AND key = $1 RETURNING value",
            str(endpoint_id),
        )
        await self.delivery.handle([record(row["value"]) for row in rows])
        await self.delivery.drain()
        return len(rows)

    async def close(self) -> None:
        await self.delivery.drain()
        await self.poster.close()
        await self.bell.close()


@pytest.fixture
async def post(notifier_pool: Pool, owner: asyncpg.Connection) -> AsyncIterator[Post]:
    found = Post(notifier_pool, owner)
    yield found
    await found.close()


@pytest.fixture
async def app(seeds: Seeds) -> SeededApp:
    return await seeds.app()


def record(value: bytes) -> Record:
    return ConsumerRecord(
        topic="t", partition=0, offset=0, timestamp=0, timestamp_type=0, key=None, value=value, checksum=None,
        serialized_key_size=0, serialized_value_size=0, headers=[],
    )  # fmt: skip


def consumed(app: SeededApp, **data: Any) -> Event:
    link_id = str(new_link_id())
    return Event(
        "magiclink.link.consumed.v1",
        f"{link_id}.2",
        "/verifier",
        link_id,
        {"link_id": link_id, "app_id": str(app.id), **data},
    )


async def endpoint(owner: asyncpg.Connection, app: SeededApp, url: str, events: tuple[str, ...] = ()) -> UUID:
    endpoint_id = new_link_id()
    await owner.execute(
        "INSERT INTO magiclink.webhook_endpoints (id, kid, app_id, url, events, created_at)"
        " VALUES ($1, '1', $2, $3, $4, now() - interval '1 minute')",
        endpoint_id,
        app.id,
        url,
        list(events),
    )
    return endpoint_id


async def delivery_row(owner: asyncpg.Connection, endpoint_id: UUID) -> Any:
    return await one_row(
        owner, "SELECT * FROM magiclink.webhook_deliveries WHERE endpoint_id = $1", endpoint_id
    )


async def test_an_event_arrives_signed_and_once_however_often_it_is_read(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    event = consumed(app)
    await post.tell(event, event)
    await post.tell(event)
    assert await post.deliver(endpoint_id) == 1
    ((headers, body),) = receiver.got
    assert orjson.loads(body).keys() == {"type", "id", "time", "data"}
    assert orjson.loads(body)["id"] == event.id
    assert orjson.loads(body)["data"] == event.data
    secret = secret_of(RINGS["issuer"], "1", endpoint_id)
    assert secret is not None
    verify(secret, headers, body, time.time())
    with pytest.raises(WebhookInvalid):
        verify(secret, headers, body.replace(b"consumed", b"revoked"), time.time())
    assert (await delivery_row(owner, endpoint_id))["status"] == "delivered"


async def test_events_go_to_their_own_app_and_to_those_who_asked(
    post: Post, owner: asyncpg.Connection, app: SeededApp, seeds: Seeds, receiver: Receiver
) -> None:
    foreign = await endpoint(owner, await seeds.app(), receiver.url)
    picky = await endpoint(owner, app, receiver.url, ("link.revoked",))
    wanted = await endpoint(owner, app, receiver.url, ("link.consumed", "link.revoked"))
    late = await endpoint(owner, app, receiver.url)
    await owner.execute(
        "UPDATE magiclink.webhook_endpoints SET created_at = now() + interval '1 hour' WHERE id = $1", late
    )
    await post.tell(consumed(app))
    assert [await post.deliver(one) for one in (foreign, picky, wanted, late)] == [0, 0, 1, 0]


async def test_an_event_made_for_one_endpoint_reaches_no_other(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    tried = await endpoint(owner, app, receiver.url, ("link.revoked",))
    other = await endpoint(owner, app, receiver.url)
    data = {"webhook_id": str(tried), "app_id": str(app.id)}
    await post.tell(Event("magiclink.webhook.tested.v1", f"{tried}.{uuid4()}", "/issuer", str(tried), data))
    assert [await post.deliver(one) for one in (tried, other)] == [1, 0]


@pytest.mark.parametrize("status", [500, 429, 404, 301])
async def test_what_is_not_taken_is_tried_again_with_the_same_id(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver, status: int
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    receiver.status, receiver.headers = status, {"Location": receiver.url + "/elsewhere"}
    await post.tell(consumed(app))
    await post.deliver(endpoint_id)
    row = await delivery_row(owner, endpoint_id)
    assert (row["status"], row["attempts"], row["last_error"]) == ("queued", 1, f"answered {status}")
    receiver.status = 204
    await post.deliver(endpoint_id)
    assert [headers[ID] for headers, _ in receiver.got] == [receiver.got[0][0][ID]] * 2
    assert receiver.got[0][1] == receiver.got[1][1]
    assert (await delivery_row(owner, endpoint_id))["status"] == "delivered"


async def test_it_is_given_up_after_the_last_pause(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    receiver.status = 500
    await post.tell(consumed(app))
    for _ in range(3):
        assert await post.deliver(endpoint_id) == 1
    assert await post.deliver(endpoint_id) == 0
    row = await delivery_row(owner, endpoint_id)
    assert (row["status"], row["attempts"]) == ("failed", 3)
    assert (
        await owner.fetchval("SELECT disabled_at FROM magiclink.webhook_endpoints WHERE id = $1", endpoint_id)
        is None
    )


async def test_an_endpoint_that_is_gone_hears_nothing_more(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    receiver.status = 410
    await post.tell(consumed(app), consumed(app))
    await post.deliver(endpoint_id)
    heard = len(receiver.got)
    assert await owner.fetchval(
        "SELECT disabled_at FROM magiclink.webhook_endpoints WHERE id = $1", endpoint_id
    )
    await post.tell(consumed(app))
    assert await post.deliver(endpoint_id) == 0
    assert len(receiver.got) == heard


async def test_nobody_listening_is_no_fault_of_ours(
    post: Post, owner: asyncpg.Connection, app: SeededApp
) -> None:
    endpoint_id = await endpoint(owner, app, "http://127.0.0.1:1/")
    await post.tell(consumed(app))
    await post.deliver(endpoint_id)
    row = await delivery_row(owner, endpoint_id)
    assert (row["status"], row["last_error"]) == ("queued", "ClientConnectorError")


async def test_a_record_that_comes_twice_posts_once(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    await post.tell(consumed(app))
    (row,) = await owner.fetch(
        "SELECT value FROM magiclink.outbox WHERE topic = 'magiclink.webhooks' AND key = $1", str(endpoint_id)
    )
    again = record(row["value"])
    await asyncio.gather(*(post.delivery.handle([again, again]) for _ in range(5)))
    await post.delivery.drain()
    assert len(receiver.got) == 1


async def test_what_a_crashed_notifier_held_is_queued_again(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    await post.tell(consumed(app))
    # As if it had been claimed by somebody who is no more: the lease is over, and no record is left.
    await owner.execute("DELETE FROM magiclink.outbox WHERE key = $1", str(endpoint_id))
    await owner.execute(
        "UPDATE magiclink.webhook_deliveries SET attempts = 1, lease_until = now() - interval '1 second'"
        " WHERE endpoint_id = $1",
        endpoint_id,
    )
    assert await post.delivery.requeue_late() >= 1
    assert await post.delivery.requeue_late() == 0
    assert await post.deliver(endpoint_id) == 1
    assert (await delivery_row(owner, endpoint_id))["status"] == "delivered"


async def test_who_was_paused_past_the_lease_writes_nothing(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    endpoint_id = await endpoint(owner, app, receiver.url)
    await post.tell(consumed(app))
    receiver.gate = asyncio.Event()
    (queued,) = await owner.fetch("SELECT value FROM magiclink.outbox WHERE key = $1", str(endpoint_id))
    await post.delivery.handle([record(queued["value"])])
    async with asyncio.timeout(10):
        while not receiver.got:
            await asyncio.sleep(0.01)
    # Meanwhile the sweep queued it again and another notifier has claimed it.
    await owner.execute(
        "UPDATE magiclink.webhook_deliveries SET attempts = attempts + 1 WHERE endpoint_id = $1", endpoint_id
    )
    receiver.gate.set()
    await post.delivery.drain()
    row = await delivery_row(owner, endpoint_id)
    assert (row["status"], row["attempts"]) == ("queued", 2)


async def test_one_slow_receiver_does_not_hold_up_the_others(
    post: Post, owner: asyncpg.Connection, app: SeededApp, receiver: Receiver
) -> None:
    slow = await endpoint(owner, app, receiver.url)
    receiver.gate = gate = asyncio.Event()
    await post.tell(*(consumed(app) for _ in range(50)))
    waiting = asyncio.create_task(post.deliver(slow))
    while len(receiver.got) < 8:
        await asyncio.sleep(0.01)
    other = await endpoint(owner, app, receiver.url)
    receiver.gate = None
    await post.tell(consumed(app))
    rows = await owner.fetch(
        "DELETE FROM magiclink.outbox WHERE topic = 'magiclink.webhooks' AND key = $1 RETURNING value",
        str(other),
    )
    await post.delivery.handle([record(row["value"]) for row in rows])
    while (await delivery_row(owner, other))["status"] != "delivered":
        await asyncio.sleep(0.01)
    # The rest of the slow one's were put off, and not counted.
    assert len(receiver.got) == 9
    counted = await owner.fetchval(
        "SELECT count(*) FROM magiclink.webhook_deliveries WHERE endpoint_id = $1 AND attempts > 0", slow
    )
    assert counted == 8
    gate.set()
    await waiting


async def test_what_is_no_event_of_an_app_is_put_aside(post: Post) -> None:
    nobody = Event("magiclink.link.consumed.v1", "x.1", "/verifier", "x", {"app_id": "x"})
    assert await post.tell(nobody) == 1
    assert await post.fan_out.handle([record(b"nonsense")]) == 1
    assert await post.delivery.handle([record(b"nonsense"), record(encode_event(nobody))]) == 2
