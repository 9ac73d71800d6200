"""Redis: scripts in pipelines, a budget for each wait, and a circuit breaker.

Redis accelerates and shields; nothing depends on it for being right (G8). So each wait for it is bounded, and while it is broken
nobody waits at all.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
import redis.asyncio as redis
import structlog
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisError, ResponseError

from shared.batching import Batcher, BatchLimits
from shared.clock import Clock, monotonic
from shared.deadlines import Deadlines
from shared.errors import Unavailable
from shared.metrics import REDIS_CALLS
from shared.transports import is_gone

log = structlog.get_logger()

BREAK_SECONDS = 1.0
SOCKET_TIMEOUT_SECONDS = 2.0
# What nobody waits for goes with what somebody waits for: by itself it held up the next caller by a trip.
_POST_SECONDS = 0.002


class CacheAway(Exception):  # noqa: N818 - states the fact
    """Redis did not answer in time, or is known to be broken. Go on without it."""


# Runs a script for each of several keys, so that a batch is one command: packing and parsing a command each was half of what a call
# cost here. KEYS: one a call; ARGV: those of the first call, those of the second, and so on; replies with an array of replies.
_FOR_EACH = """\
local function one(KEYS, ARGV)
{body}
end
local replies, count = {{}}, #ARGV / #KEYS
for at, key in ipairs(KEYS) do
  replies[at] = one({{key}}, {{unpack(ARGV, (at - 1) * count + 1, at * count)}})
end
return replies
"""


class Script:
    """A Lua script of `shared/lua`; its key, arguments and replies are described on top of the file."""

    def __init__(self, name: str) -> None:
        body = (Path(__file__).parent / "lua" / f"{name}.lua").read_text(encoding="utf-8")
        self.source = _FOR_EACH.format(body=body)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script: its key and arguments."""

    script: Script
    key: str
    args: tuple[str | bytes | int, ...]


class Cache:
    """Runs scripts in shared pipelines. Every method raises `CacheAway` rather than wait past the budget."""

    def __init__(self, url: str, *, budget_seconds: float, clock: Clock = monotonic) -> None:
        self._client = _connect(url)
        self._budget_seconds = budget_seconds
        self._budget = Deadlines(budget_seconds)
        self._clock = clock
        self._broken_until = 0.0
        # One at a time: a second one took off with few calls, 24 a batch in place of 37 under load.
        self._batcher: Batcher[Call, Any] = Batcher(
            "redis", self._flush, limits=BatchLimits(items=512, flights=1)
        )

    async def run(self, script: Script, key: str, *args: str | bytes | int) -> Any:
        """Run a script on a key and return its reply. Raises `CacheAway`."""
        if self._clock() < self._broken_until:
            raise CacheAway
        try:
            with self._budget.limit():
                return await self._batcher.put(Call(script, key, args))
        except Unavailable:
            # More waits than Redis is worth waiting for: go on without it, it may well be in good health.
            raise CacheAway from None
        except Exception as error:
            if not _is_away(error):
                raise
            self._break()
            raise CacheAway from None

    def post(self, script: Script, key: str, *args: str | bytes | int) -> None:
        """Run a script soon and wait for nothing: for what may be lost."""
        if self._clock() < self._broken_until:
            return
        try:
            call = self._batcher.put(Call(script, key, args), within_seconds=_POST_SECONDS)
            call.add_done_callback(_heard)
        except Unavailable:
            return

    async def publish(self, channel: str, message: str) -> None:
        """Publish to a channel, for whoever listens now. Raises `CacheAway`."""
        try:
            async with asyncio.timeout(self._budget_seconds):
                await self._client.execute_command("PUBLISH", channel, message)
        except Exception as error:
            if not _is_away(error):
                raise
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
        except Exception as error:
            if not _is_away(error):
                raise
            raise CacheAway from None
        finally:
            if client is not self._client:
                await client.aclose()

    async def ping(self) -> None:
        """Raise what Redis raises when it is not well. For `/readyz`."""
        async with asyncio.timeout(SOCKET_TIMEOUT_SECONDS):
            await self._client.execute_command("PING", **self._any_node())

    async def close(self) -> None:
        """Answer what waits, then take no more calls."""
        self._broken_until = math.inf
        await self._batcher.drain()
        await self._client.aclose()

    async def _flush(self, calls: list[Call]) -> list[Any]:
        commands = self._commands(calls)
        try:
            replies = await self._pipeline(commands)
            missing = {c.script for c, reply in zip(commands, replies, strict=True) if _is_missing(reply)}
            if missing:  # a fresh or restarted Redis: load, then ask again only what was not run
                await self._load(missing)
                again = [at for at, reply in enumerate(replies) if _is_missing(reply)]
                for at, reply in zip(
                    again, await self._pipeline([commands[at] for at in again]), strict=True
                ):
                    replies[at] = reply
        except Exception as error:
            if _is_away(error):
                REDIS_CALLS.labels(outcome="failed").inc()
                self._break()
            raise
        REDIS_CALLS.labels(outcome="answered").inc()
        return _in_order(len(calls), commands, replies)

    def _commands(self, calls: Sequence[Call]) -> list["_Command"]:
        """Put the calls of a script together; apart in a cluster, where keys of one command must share a slot."""
        if isinstance(self._client, RedisCluster):
            return [_Command(call.script, [at], [call.key], [*call.args]) for at, call in enumerate(calls)]
        found: dict[tuple[Script, int], _Command] = {}
        for at, call in enumerate(calls):
            kind = call.script, len(call.args)
            command = found.get(kind)
            if command is None:
                command = found[kind] = _Command(call.script, [], [], [])
            command.places.append(at)
            command.keys.append(call.key)
            command.args.extend(call.args)
        return list(found.values())

    async def _pipeline(self, commands: Sequence["_Command"]) -> list[Any]:
        words = [("EVALSHA", c.script.sha, len(c.keys), *c.keys, *c.args) for c in commands]
        if not isinstance(self._client, RedisCluster):
            return await _exchange(self._client.connection_pool, words)
        # redis-py blocks `evalsha` in cluster pipelines; `execute_command` routes by the key all the same.
        pipeline = self._client.pipeline(transaction=False)
        for command in words:
            pipeline.execute_command(*command)
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


async def _exchange(pool: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Send commands and return their replies, errors of Redis among them.

    Over redis-py's connections and not its pipelines, which took half of the 200 µs that a batch cost this process.
    """
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command([hiredis.pack_command(command) for command in commands])
        return [await _reply(connection) for _ in commands]
    except BaseException:
        # What was asked on it may still be answered, to whoever asks next.
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


@dataclass(frozen=True, slots=True)
class _Command:
    """Calls of one script as one command; `places` are theirs in the batch."""

    script: Script
    places: list[int]
    keys: list[str]
    args: list[str | bytes | int]


def _is_away(error: BaseException) -> bool:
    return isinstance(error, RedisError) or is_gone(error)


def _is_missing(reply: Any) -> bool:
    return isinstance(reply, NoScriptError)


def _in_order(count: int, commands: Sequence[_Command], replies: Sequence[Any]) -> list[Any]:
    """Return each call's reply; an error is that of every call of its command."""
    found: list[Any] = [None] * count
    for command, reply in zip(commands, replies, strict=True):
        each = [reply] * len(command.places) if isinstance(reply, BaseException) else reply
        for at, one in zip(command.places, each, strict=True):
            found[at] = one
    return found


def _heard(posted: "asyncio.Future[Any]") -> None:
    # A failure is logged by the flush, and is no news to anybody else.
    if not posted.cancelled():
        posted.exception()


def _connect(url: str) -> Any:
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
    }
    if url.startswith(("redis+cluster://", "rediss+cluster://")):
        return RedisCluster.from_url(url.replace("+cluster", "", 1), **options)
    return redis.Redis.from_url(url, **options)
