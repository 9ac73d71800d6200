"""Redis: scripts in pipelines, a budget for each wait, and a circuit breaker.

Redis accelerates and shields; nothing depends on it for being right (G8). So each wait for it is bounded, and while it is broken
nobody waits at all.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis.asyncio as redis
import structlog
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisError

from shared.batching import Batcher, BatchLimits
from shared.clock import Clock, monotonic
from shared.errors import Unavailable
from shared.metrics import REDIS_CALLS

log = structlog.get_logger()

BREAK_SECONDS = 1.0
SOCKET_TIMEOUT_SECONDS = 2.0


class CacheAway(Exception):  # noqa: N818 - states the fact
    """Redis did not answer in time, or is known to be broken. Go on without it."""


class Script:
    """A Lua script of `shared/lua`; its keys, arguments and replies are described on top of the file."""

    def __init__(self, name: str) -> None:
        self.source = (Path(__file__).parent / "lua" / f"{name}.lua").read_text(encoding="utf-8")
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script: its keys (one hash slot) and arguments."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[str | bytes | int, ...]


class Cache:
    """Runs scripts in shared pipelines. Every method raises `CacheAway` rather than wait past the budget."""

    def __init__(self, url: str, *, budget_seconds: float, clock: Clock = monotonic) -> None:
        self._client = _connect(url)
        self._budget_seconds = budget_seconds
        self._clock = clock
        self._broken_until = 0.0
        self._batcher: Batcher[Call, Any] = Batcher("redis", self._flush, limits=BatchLimits(items=512))

    async def run(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run a script and return its reply. Raises `CacheAway`."""
        if self._clock() < self._broken_until:
            raise CacheAway
        try:
            async with asyncio.timeout(self._budget_seconds):
                return await self._batcher.submit(Call(script, tuple(keys), args))
        except Unavailable:
            # More waits than Redis is worth waiting for: go on without it, it may well be in good health.
            raise CacheAway from None
        except (RedisError, OSError, TimeoutError):
            self._break()
            raise CacheAway from None

    async def publish(self, channel: str, message: str) -> None:
        """Publish to a channel, for whoever listens now. Raises `CacheAway`."""
        try:
            async with asyncio.timeout(self._budget_seconds):
                await self._client.execute_command("PUBLISH", channel, message)
        except (RedisError, OSError, TimeoutError):
            raise CacheAway from None

    async def listen(self, channel: str) -> AsyncGenerator[str, None]:
        """Yield the messages of a channel until the connection fails; then raise `CacheAway`."""
        client = self._client
        if isinstance(client, RedisCluster):
            # A cluster passes messages on to every node: any one will do.
            node = client.get_random_node()
            pool = redis.ConnectionPool(connection_class=node.connection_class, **node.connection_kwargs)
            client = redis.Redis.from_pool(pool)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.subscribe(channel)
                async for message in subscription.listen():
                    yield message["data"].decode()
        except (RedisError, OSError):
            raise CacheAway from None
        finally:
            if client is not self._client:
                await client.aclose()

    async def ping(self) -> None:
        """Raise what Redis raises when it is not well. For `/readyz`."""
        async with asyncio.timeout(SOCKET_TIMEOUT_SECONDS):
            await self._client.execute_command("PING", **self._any_node())

    async def close(self) -> None:
        await self._batcher.drain()
        await self._client.aclose()

    async def _flush(self, calls: list[Call]) -> list[Any]:
        try:
            replies = await self._pipeline(calls)
            missing = {
                c.script for c, reply in zip(calls, replies, strict=True) if isinstance(reply, NoScriptError)
            }
            if missing:  # a fresh or restarted Redis: load, then ask again only what was not run
                await self._load(missing)
                again = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
                for i, reply in zip(again, await self._pipeline([calls[i] for i in again]), strict=True):
                    replies[i] = reply
        except (RedisError, OSError, TimeoutError):
            REDIS_CALLS.labels(outcome="failed").inc()
            self._break()
            raise
        REDIS_CALLS.labels(outcome="answered").inc()
        return replies

    async def _pipeline(self, calls: Sequence[Call]) -> list[Any]:
        # redis-py blocks `evalsha` in cluster pipelines; `execute_command` routes by the key all the same.
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)
        return list(await pipeline.execute(raise_on_error=False))

    async def _load(self, scripts: set[Script]) -> None:
        for script in scripts:
            await self._client.script_load(script.source)

    def _break(self) -> None:
        if self._clock() >= self._broken_until:
            log.warning("redis_away", pause_seconds=BREAK_SECONDS)
        self._broken_until = self._clock() + BREAK_SECONDS

    def _any_node(self) -> dict[str, Any]:
        return {"target_nodes": RedisCluster.RANDOM} if isinstance(self._client, RedisCluster) else {}


def _connect(url: str) -> Any:
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
    }
    if url.startswith(("redis+cluster://", "rediss+cluster://")):
        return RedisCluster.from_url(url.replace("+cluster", "", 1), **options)
    return redis.Redis.from_url(url, **options)
