"""Servers that go in the middle of a handshake, on uvloop as services run: its error for that is none of a connection's family."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import aiokafka.conn
import pytest
import uvloop
from aiokafka.errors import KafkaConnectionError

from services.issuer.relay import LaneRelay
from shared.cache import Cache, CacheAway, Script
from shared.consumer import Record, Subscription, consume_batches
from shared.settings import KafkaSettings
from shared.transports import is_gone

Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Meet = Callable[[int], Awaitable[None]]


def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def with_a_server_that_goes(meet: Meet) -> None:
    """Call `meet` with the port of a server that takes connections and hangs up."""

    async def run() -> None:
        server = await asyncio.start_server(_hang_up, "127.0.0.1")
        try:
            async with asyncio.timeout(20):
                await meet(server.sockets[0].getsockname()[1])
        finally:
            server.close()  # uvloop waits for ever for one that is open

    uvloop.run(run())


@pytest.fixture
def dying_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever redis-py connects to is gone before it says its first word."""
    really = asyncio.open_connection

    async def open_and_lose(*args: Any, **kwargs: Any) -> Opened:
        reader, writer = await really(*args, **kwargs)
        await _lose(writer)
        return reader, writer

    monkeypatch.setattr(asyncio, "open_connection", open_and_lose)


@pytest.fixture
def dying_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever aiokafka connects to is gone before it says its first word, and before its reader looks."""
    really = aiokafka.conn.AIOKafkaConnection._do_version_lookup

    async def lose_and_ask(connection: Any) -> None:
        await _lose(connection._writer)
        await really(connection)

    monkeypatch.setattr(aiokafka.conn.AIOKafkaConnection, "_do_version_lookup", lose_and_ask)
    monkeypatch.setattr(aiokafka.conn.AIOKafkaConnection, "_create_reader_task", _never)


async def _lose(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    await asyncio.sleep(0.01)


def _never(_: object) -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


def test_what_uvloop_says_of_a_closed_transport_is_known() -> None:
    async def meet(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await _lose(writer)
        with pytest.raises(RuntimeError) as failure:
            writer.write(b"anybody there?")
        assert is_gone(failure.value)

    with_a_server_that_goes(meet)
    assert not is_gone(RuntimeError("something else"))


@pytest.mark.usefixtures("dying_redis")
def test_a_redis_that_goes_in_the_handshake_is_away() -> None:
    async def meet(port: int) -> None:
        cache = Cache(f"redis://127.0.0.1:{port}/0", budget_seconds=5)
        async with aclosing(cache.listen("news")) as messages:
            with pytest.raises(CacheAway):
                await anext(messages)
        with pytest.raises(CacheAway):
            await cache.publish("news", "x")
        with pytest.raises(CacheAway):
            await cache.run(Script("bucket"), "ml:{x}:bucket", 1)

    with_a_server_that_goes(meet)


@pytest.mark.usefixtures("dying_kafka")
def test_a_relay_and_a_consumer_outlive_a_broker_that_goes_in_the_handshake() -> None:
    async def meet(port: int) -> None:
        settings = KafkaSettings(kafka_bootstrap=f"127.0.0.1:{port}")
        relay: Any = LaneRelay("events", None, settings)  # type: ignore[arg-type] # it asks for rows only once it has a broker
        with pytest.raises(KafkaConnectionError):
            await relay._connected_producer()

        async def handle(_: list[Record]) -> None: ...

        consuming = asyncio.create_task(consume_batches(settings, Subscription("t", "g", 10), handle))
        await asyncio.wait([consuming], timeout=1)
        assert not consuming.done()
        consuming.cancel()
        await asyncio.wait([consuming])

    with_a_server_that_goes(meet)
