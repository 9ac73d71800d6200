"""A process that says itself when it is ready: our services, the inbox, the example site."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from services.dev.children import Child, Command
from services.dev.problems import DevProblem

READY_TIMEOUT_SECONDS = 30.0


class Service:
    """A child process and the URL that answers 200 once it is ready."""

    def __init__(self, name: str, command: Command, ready_url: str) -> None:
        self.name = name
        self.ready_url = ready_url
        self._child = Child(name, command)

    @property
    def running(self) -> bool:
        return self._child.running

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def command(self) -> Command:
        """How it is run: one like it, on other ports, is run by the same words and environment."""
        return self._child.command

    @command.setter
    def command(self, command: Command) -> None:
        self._child.command = command

    async def prepare(self, argv: Sequence[str]) -> None:
        """Begin with what can be done before the rest of the environment is known (`Child.prepare`)."""
        await self._child.prepare(argv)

    async def start(self, *, wait: bool = True) -> None:
        """Start it and, unless told otherwise, wait until it is ready. Raises `DevProblem`."""
        await self._child.start()
        if wait:
            await self.until_ready()

    async def stop(self) -> None:
        await self._child.stop()

    async def kill(self) -> None:
        await self._child.kill()

    async def wait(self) -> int:
        return await self._child.wait()

    async def until_ready(self, timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
        """Wait for readiness. Raises `DevProblem` with what is missing, or with the end of the log."""
        deadline = time.monotonic() + timeout_seconds
        answer = "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if not self.running:
                    raise self._child.problem("did not start")
                try:
                    async with session.get(self.ready_url) as response:
                        if response.status == 200:
                            return
                        answer = (await response.text())[:1_000]
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    answer = type(error).__name__
                await asyncio.sleep(0.05)
        raise DevProblem(
            f"{self.name} was not ready after {timeout_seconds:.0f} s ({answer})\n  log: {self._child.command.log_path}"
        )
