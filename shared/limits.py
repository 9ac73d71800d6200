"""Limits. A limit that protects money or accounts fails closed; this one fails open and says so in its name (G8)."""

from dataclasses import dataclass

from shared.cache import Cache, CacheAway, Script
from shared.errors import RateLimited
from shared.metrics import FAILED_OPEN, RATE_LIMITED

_BUCKET = Script("bucket")


@dataclass(frozen=True, slots=True)
class FailOpenBucket:
    """A token bucket in Redis, shared by all replicas. When Redis is away every request passes, and a metric counts it."""

    cache: Cache
    name: str
    per_minute: int

    async def take(self, who: str, tokens: int = 1) -> None:
        """Take tokens from the bucket of `who`. Raises `RateLimited` with the time until they are there."""
        try:
            taken, wait_ms = await self.cache.run(
                _BUCKET, [f"ml:limit:{self.name}:{who}"], self.per_minute, tokens
            )
        except CacheAway:
            FAILED_OPEN.labels(limit=self.name).inc()
            return
        if not taken:
            RATE_LIMITED.labels(limit=self.name).inc()
            raise RateLimited(f"limit: {self.per_minute} a minute", retry_after_seconds=wait_ms / 1000)
