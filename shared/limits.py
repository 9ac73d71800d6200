"""Limits. Those that protect money or accounts fail closed, all others fail open, and each says so in its name (G8)."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shared.cache import Cache, CacheAway, Script
from shared.errors import RateLimited, Unavailable
from shared.metrics import FAILED_OPEN, RATE_LIMITED

_BUCKET = Script("bucket")
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Level:
    """What is in a bucket: `left` of `capacity` tokens, and the seconds until there is one to take (0: now)."""

    capacity: int
    left: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class FailOpenBucket:
    """A token bucket in Redis, shared by all replicas. When Redis is away every request passes, and a metric counts it."""

    cache: Cache
    name: str
    per_minute: int

    async def take(self, who: str, tokens: int = 1, ahead: int = 0) -> int:
        """Take tokens from the bucket of `who`, and up to `ahead` more; return how many those were.

        Raises `RateLimited` with the time until the tokens are there.
        """
        try:
            taken, wait_ms, _ = await self._run(who, tokens + ahead, tokens)
        except CacheAway:
            FAILED_OPEN.labels(limit=self.name).inc()
            return 0
        if not taken:
            RATE_LIMITED.labels(limit=self.name).inc()
            raise RateLimited(f"limit: {self.per_minute} a minute", retry_after_seconds=wait_ms / 1000)
        # A bucket that is smaller than what was asked for gave all it had.
        return max(0, taken - tokens)

    async def put_back(self, who: str, tokens: int) -> None:
        """Put back tokens that nobody used."""
        with suppress(CacheAway):
            await self._run(who, -tokens, -tokens)

    async def take_up_to(self, who: str, tokens: int) -> int:
        """Take as many of these tokens as there are; return how many that was."""
        try:
            taken, _, _ = await self._run(who, tokens, 0)
        except CacheAway:
            FAILED_OPEN.labels(limit=self.name).inc()
            return tokens
        if taken < tokens:
            RATE_LIMITED.labels(limit=self.name).inc(tokens - int(taken))
        return int(taken)

    async def peek(self, who: str) -> Level | None:
        """Look without taking; None when Redis is away."""
        try:
            return await _peek(self.cache, _key(self.name, who), self.per_minute, _MINUTE_MS)
        except CacheAway:
            return None

    async def _run(self, who: str, tokens: int, least: int) -> tuple[int, int, int]:
        taken, wait_ms, left = await self.cache.run(
            _BUCKET, _key(self.name, who), self.per_minute, tokens, _MINUTE_MS, least
        )
        return taken, wait_ms, left


@dataclass(frozen=True, slots=True)
class FailClosedBucket:
    """A token bucket in Redis for what costs money. When Redis is away nothing passes.

    A Redis that lost its data has full buckets: at worst one hour's tokens more.
    """

    cache: Cache
    name: str
    per_hour: int

    async def take(self, who: str) -> None:
        """Take a token from the bucket of `who`. Raises `RateLimited` with the time until one is there, or `Unavailable`."""
        taken, wait_ms = await self._run(who, 1)
        if not taken:
            RATE_LIMITED.labels(limit=self.name).inc()
            raise RateLimited(
                f"limit: {self.per_hour} an hour ({self.name})", retry_after_seconds=wait_ms / 1000
            )

    async def put_back(self, who: str) -> None:
        """Put a token back that bought nothing. Raises `Unavailable`."""
        await self._run(who, -1)

    async def peek(self, who: str) -> Level | None:
        """Look without taking; None when Redis is away."""
        try:
            return await _peek(self.cache, _key(self.name, who), self.per_hour, _HOUR_MS)
        except CacheAway:
            return None

    async def _run(self, who: str, tokens: int) -> tuple[int, int]:
        try:
            taken, wait_ms, _ = await self.cache.run(
                _BUCKET, _key(self.name, who), self.per_hour, tokens, _HOUR_MS, tokens
            )
        except CacheAway:
            raise Unavailable(f"the limit {self.name} cannot be checked", retry_after_seconds=1) from None
        return taken, wait_ms


async def _peek(cache: Cache, key: str, capacity: int, fills_ms: int) -> Level:
    # Nothing to take, but one token that must be there: the reply says when.
    _, wait_ms, left = await cache.run(_BUCKET, key, capacity, 0, fills_ms, 1)
    return Level(capacity, left, wait_ms / 1000)


def _key(name: str, who: str) -> str:
    return f"ml:limit:{name}:{who}"
