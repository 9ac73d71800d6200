"""Room for work that goes on behind a batch: a bounded number of tasks, and the first fault of any of them."""

import asyncio
from collections.abc import Coroutine

_GATHER_SECONDS = 0.003


class Room:
    """So many places. Places are taken first, then given back or filled with a task, which gives its place back when it ends."""

    def __init__(self, places: int, name: str) -> None:
        self._places = asyncio.Semaphore(places)
        self._name = name
        self._running: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(self, wanted: int) -> int:
        """Wait for one place, and take those that are free beside it. A claim without a place would use up its lease waiting.

        Where work goes on, places come free one by one: a few milliseconds later one claim, and one commit, serves several.
        """
        if self._places.locked():
            await self._places.acquire()
            self._places.release()
            await asyncio.sleep(_GATHER_SECONDS)
        await self._places.acquire()
        taken = 1
        while taken < wanted and not self._places.locked():
            await self._places.acquire()
            taken += 1
        return taken

    def give_back(self, places: int) -> None:
        for _ in range(places):
            self._places.release()

    def fill(self, work: Coroutine[None, None, None]) -> None:
        """Run something in a place that was taken."""
        task = asyncio.create_task(work, name=self._name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def watch(self) -> None:
        """Raise what a task raised unexpectedly: the service stops and says why (rule 6)."""
        await self._failed

    async def drain(self) -> None:
        """Wait for the tasks under way."""
        while self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._places.release()
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)
