"""A small cache of things that may be a few seconds old: API keys, app settings."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from shared.clock import Clock, monotonic

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class FreshCache(Generic[Key, Value]):
    """Keeps what `load` returned for `ttl_seconds`; one load at a time for each key. Failures are not kept."""

    def __init__(
        self,
        load: Callable[[Key], Awaitable[Value]],
        *,
        ttl_seconds: float,
        max_entries: int = 10_000,
        clock: Clock = monotonic,
    ) -> None:
        self._load = load
        self._ttl_seconds = ttl_seconds
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._loading: dict[Key, asyncio.Task[Value]] = {}
        self._epoch = 0

    async def get(self, key: Key) -> Value:
        """Return the value, loaded or at most `ttl_seconds` old."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] > self._clock():
            return entry[1]
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._fill(key, self._epoch))
            self._loading[key] = task
            task.add_done_callback(lambda ended: self._loaded(key, ended))
        return await asyncio.shield(task)

    def clear(self) -> None:
        """Forget everything, including what is being loaded now: it may have been read before the change."""
        self._entries.clear()
        self._loading.clear()
        self._epoch += 1

    def _loaded(self, key: Key, ended: asyncio.Task[Value]) -> None:
        # After `clear` another load may have taken this one's place.
        if self._loading.get(key) is ended:
            del self._loading[key]

    async def _fill(self, key: Key, epoch: int) -> Value:
        value = await self._load(key)
        if epoch == self._epoch:
            self._entries[key] = (self._clock() + self._ttl_seconds, value)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return value
