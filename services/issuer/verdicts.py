"""Tells Redis that links are revoked, so that attempts on them end there. Losing it is harmless: PostgreSQL decides (G8)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shared.cache import Cache, CacheAway, Script
from shared.database import Row
from shared.errors import Unavailable

log = structlog.get_logger()

_VERDICT = Script("verdict")
# A link may live for weeks; what Redis forgets before its end PostgreSQL still knows.
_MAX_KEEP_SECONDS = 24 * 3600.0
_MIN_KEEP_SECONDS = 60.0
# One user may have many links, and the pipeline is everybody's.
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class RedisVerdicts:
    """Publishes revocations in the form that the verifier's claim reads."""

    cache: Cache

    async def revoked(self, links: Sequence[Row]) -> None:
        """Publish; rows need `id`, `app_id` and `keep_seconds`, the time until the link would have expired."""
        for start in range(0, len(links), _AT_ONCE):
            told = await asyncio.gather(*(self._tell(link) for link in links[start : start + _AT_ONCE]))
            if not all(told):
                log.warning("revocation_not_told_to_redis", links=len(links))
                return

    async def _tell(self, link: Row) -> bool:
        keep_seconds = min(max(link["keep_seconds"], _MIN_KEEP_SECONDS), _MAX_KEEP_SECONDS)
        key = f"ml:{{{link['id']}}}:claim"
        try:
            # The app stands in the value: to another app the link is unknown, revoked or not (G9).
            await self.cache.run(_VERDICT, [key], f"revoked {link['app_id']}", int(keep_seconds * 1000))
        except (CacheAway, Unavailable):
            return False
        return True
