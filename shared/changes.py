"""Forgets cached keys and app settings when another process changed them."""

import asyncio
from collections.abc import Callable

from shared.api_keys import CHANGED_CHANNEL
from shared.cache import Cache, CacheAway

_RETRY_SECONDS = 1.0


async def forget_on_change(cache: Cache, forget: Callable[[], object]) -> None:
    """Call `forget` at each change, until cancelled. While Redis is away what is cached ages by itself, in seconds."""
    while True:
        try:
            async for _ in cache.listen(CHANGED_CHANNEL):
                forget()
        except CacheAway:
            await asyncio.sleep(_RETRY_SECONDS)
        forget()  # whatever changed while nobody listened
