"""Time limits of one length for many waits, with one timer for all of them.

`asyncio.timeout` makes and drops a timer for each: 10 µs of the 60 that a refused request costs in all (docs/decisions/0014).
"""

import asyncio
from types import TracebackType
from typing import Any


class Deadlines:
    """Ends each wait that is open for longer than `seconds`. The waits are in order of their ends, so the timer is that of the oldest."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.open: dict[TimeLimit, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        # Kept: asking for the running loop is a system call in Python 3.11.
        self._loop: asyncio.AbstractEventLoop | None = None

    def limit(self) -> "TimeLimit":
        """Return a context manager that raises `TimeoutError` when its block takes longer, as `asyncio.timeout` does."""
        return TimeLimit(self)

    def start(self, limit: "TimeLimit") -> "asyncio.Task[Any]":
        """Begin a wait of the current task, which is returned."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a time limit needs a task to interrupt")
        at = self.open[limit] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(at, self._look, loop)
        return task

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        late = []
        for limit, at in self.open.items():
            if at > now:
                self._timer = loop.call_at(at, self._look, loop)
                break
            late.append(limit)
        for limit in late:
            del self.open[limit]
            limit.expire()


class TimeLimit:
    """One wait of one task."""

    __slots__ = ("_deadlines", "_expired", "_task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._expired = False

    def __enter__(self) -> None:
        self._task = self._deadlines.start(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._deadlines.open.pop(self, None)
        # Somebody else's cancellation, at the same time as ours, goes on.
        if self._expired and not self._task.uncancel() and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()
