"""Keeps the parts of a cluster alive: what ends by itself is started again, later each time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from services.dev.backends import Part
from services.dev.problems import DevProblem

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# Whoever ran this long has recovered; the next end starts counting anew.
STEADY_SECONDS = 60.0


class Supervisor:
    """Watches parts. `revive(name)` starts one again; `wanted(name)` is false while it is stopped on purpose."""

    def __init__(
        self,
        parts: Mapping[str, Part],
        revive: Callable[[str], Awaitable[None]],
        wanted: Callable[[str], bool],
        say: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._revive = revive
        self._wanted = wanted
        self._say = say

    async def run(self) -> None:
        """Watch until cancelled. An unexpected exception ends it, and is the caller's to show."""
        async with asyncio.TaskGroup() as group:
            for name in self._parts:
                group.create_task(self._keep_alive(name))

    async def _keep_alive(self, name: str) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            code = await self._parts[name].wait()
            if not self._wanted(name) or self._parts[name].running:
                await asyncio.sleep(0.1)
                continue
            if time.monotonic() - started > STEADY_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            self._say(f"{name} ended ({_how(code)}); starting it again in {pause_seconds:g} s")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            try:
                await self._revive(name)
            except DevProblem as problem:
                self._say(str(problem))
            else:
                self._say(f"{name} runs again")


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
