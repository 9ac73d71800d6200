"""Tells every replica that an app or a key changed, so that nobody goes by what was cached of it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from shared.api_keys import CHANGED_CHANNEL
from shared.cache import Cache, CacheAway

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Announcer:
    """`forget` clears this process's own caches, which need not wait for Redis."""

    cache: Cache
    forget: Callable[[], object]

    async def changed(self, app_id: UUID) -> None:
        """Announce, after the commit. While Redis is away the others learn it when their caches age, in seconds."""
        self.forget()
        try:
            await self.cache.publish(CHANGED_CHANNEL, str(app_id))
        except CacheAway:
            log.warning("change_not_announced", app_id=str(app_id))
