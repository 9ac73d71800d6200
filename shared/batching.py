"""Batches that form by themselves (DESIGN §7).

While a flush is in flight (two at most), arriving items queue; when one returns, all that queued go as the next. What arrives in one
turn of the event loop goes together. Nobody who waits for a result waits for a timer, so an idle service adds no latency, and a busy one
pays one round trip for many requests.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import Unavailable
from shared.metrics import BATCH_SIZE

Item = TypeVar("Item")
Result = TypeVar("Result")

Flush = Callable[[list[Item]], Awaitable[Sequence[Result | BaseException]]]
"""Gets a batch, returns one result or exception an item, in order. What it raises fails the whole batch."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much one batcher holds: items a flush, flushes at once, items waiting."""

    items: int = 256
    flights: int = 2
    queue: int = 4096


class Batcher(Generic[Item, Result]):
    """Collects items and flushes them together; each caller gets its own result.

    With `key`, two items of one key are never in flight together: the later one waits for the earlier one's verdict.
    """

    def __init__(
        self,
        name: str,
        flush: Flush[Item, Result],
        *,
        limits: BatchLimits = BatchLimits(),
        key: Callable[[Item], Hashable] | None = None,
    ) -> None:
        self._name = name
        self._sizes = BATCH_SIZE.labels(batch=name)
        self._flush = flush
        self._limits = limits
        self._key = key
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._busy_keys: set[Hashable] = set()
        self._flights: set[asyncio.Task[None]] = set()
        self._called = False
        self._last_call: asyncio.TimerHandle | None = None
        # Kept: asking for the running loop is a system call in Python 3.11.
        self._loop: asyncio.AbstractEventLoop | None = None

    async def submit(self, item: Item) -> Result:
        """Return the item's result. Raises `Unavailable` when the queue is full, or what the flush said of this item.

        A caller that is cancelled abandons its result, never the flush: others ride in it.
        """
        return await self.put(item)

    def put(self, item: Item, *, within_seconds: float = 0.0) -> "asyncio.Future[Result]":
        """Queue an item; its result comes by the future. Raises `Unavailable` when the queue is full.

        `within_seconds`: it may wait so long for others to go with.
        """
        if len(self._waiting) >= self._limits.queue:
            raise Unavailable("the service is at its capacity", retry_after_seconds=1)
        self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((item, future))
        if not within_seconds:
            self._call(self._loop)
        elif self._last_call is None:
            self._last_call = self._loop.call_later(within_seconds, self._call_last, self._loop)
        return future

    async def drain(self) -> None:
        """Wait until nothing is queued or in flight. For a graceful stop, after the listeners are closed."""
        while self._flights or self._waiting:
            self._take_off()
            if self._flights:
                await asyncio.wait(self._flights)

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take off after this turn of the loop: what else it brings comes along."""
        if not self._called and len(self._flights) < self._limits.flights:
            self._called = True
            loop.call_soon(self._take_off)

    def _call_last(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last_call = None
        if self._waiting:
            self._call(loop)

    def _take_off(self) -> None:
        self._called = False
        while self._waiting and len(self._flights) < self._limits.flights:
            batch = self._board()
            if not batch:
                return  # everything that waits, waits for a key in flight
            flight = asyncio.create_task(self._fly(batch), name=f"batch:{self._name}")
            self._flights.add(flight)
            flight.add_done_callback(self._land)

    def _board(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        if self._key is None:
            size = min(len(self._waiting), self._limits.items)
            return [self._waiting.popleft() for _ in range(size)]
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        held_back: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._limits.items:
            entry = self._waiting.popleft()
            key = self._key(entry[0])
            if key in self._busy_keys:
                held_back.append(entry)
            else:
                self._busy_keys.add(key)
                batch.append(entry)
        self._waiting.extendleft(reversed(held_back))
        return batch

    async def _fly(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        self._sizes.observe(len(batch))
        try:
            results = await self._flush([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{self._name}: {len(results)} results for {len(batch)} items")  # noqa: TRY301
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is each caller's answer
            results = [error] * len(batch)
        finally:
            if self._key is not None:
                self._busy_keys.difference_update(self._key(item) for item, _ in batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        if self._waiting:
            self._call(flight.get_loop())
