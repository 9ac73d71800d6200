"""How long `magiclink dev` takes until everything is ready: with data that is there, and for the first time."""

import asyncio
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.house import House
from bench.row import Bound, Contender, Row, Sample
from services.dev.backends import choose_backends
from services.dev.kafka import JARS_VARIABLE
from services.dev.ports import choose_unfixed
from services.dev.postgres import BIN_VARIABLE
from services.dev.redis import SERVER_VARIABLE

MOST_SECONDS = 120
_LOOK_SECONDS = 0.005
_REAL_SERVERS = (BIN_VARIABLE, JARS_VARIABLE, SERVER_VARIABLE)
# Installed packages come compiled; a shell that forbids that would measure the compiler.
_UNWANTED = (*_REAL_SERVERS, "PYTHONDONTWRITEBYTECODE")
ALONE = True
NOTE = (
    "From the start of the program to `dev.json`, which is written when every `/readyz` is green; on the embedded servers, as installed, without the "
    "demo. Beside it: the embedded PostgreSQL, Redis and broker alone, on data that is there. No other cluster runs meanwhile."
)


async def rows(house: House) -> list[Row]:
    """Return the rows of the start. The house's own cluster is stopped first."""
    await house.cluster.stop()
    own = _Again(house.folder / "dev")
    backends = Contender("backends alone", lambda _: _backends_alone(house.folder / "backends"))
    again = Contender("ours", lambda _: own.measure())
    first = Contender("ours", lambda _: _first(house.folder / "dev-first"))
    bounds = [Bound(5, 3, at_most=True)]
    return [
        Row("start of magiclink dev", "s", again, [backends], bounds, NOTE),
        Row("first start of magiclink dev", "s", first, [], bounds, "With `initdb` and every migration."),
    ]


class _Again:
    """Starts on one data folder, which the first start of all has made."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._has_data = False

    async def measure(self) -> Sample:
        if not self._has_data:
            await started(self._data_dir)
            self._has_data = True
        return await started(self._data_dir)


async def _first(data_dir: Path) -> Sample:
    shutil.rmtree(data_dir, ignore_errors=True)
    return await started(data_dir)


async def started(data_dir: Path) -> Sample:
    """Start `magiclink dev` on this data, wait for `dev.json`, and stop it; return the seconds, and the CPU time of all of it."""
    environment = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    program = Path(sys.executable).with_name("magiclink")
    argv = [str(program)] if program.exists() else [sys.executable, "-m", "services.cli"]
    spent, begun = _children_cpu_seconds(), time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *argv, "dev", "--data-dir", str(data_dir), "--no-demo",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment,
    )  # fmt: skip
    try:
        seconds = await _until_written(data_dir / "dev.json", process, begun)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
    if seconds is None:
        raise SystemExit(f"magiclink dev did not become ready:\n{output.decode()[-2000:]}")
    return Sample(seconds, cpu_us=(_children_cpu_seconds() - spent) * 1e6)


async def _until_written(path: Path, process: asyncio.subprocess.Process, begun: float) -> float | None:
    while process.returncode is None and time.monotonic() - begun < MOST_SECONDS:
        if path.exists():  # noqa: ASYNC240 - a look at a local folder
            return time.monotonic() - begun
        await asyncio.sleep(_LOOK_SECONDS)
    return None


async def _backends_alone(data_dir: Path) -> Sample:
    """Start the three embedded servers together; return the seconds."""
    ports = choose_unfixed(["redis", "kafka", "kafka-controller"])
    async with _embedded():
        parts = choose_backends(data_dir, ports, {}).parts()
        # Its data folder is made before the clock runs.
        await parts["postgres"].start()
        await parts["postgres"].stop()
        begun = time.monotonic()
        try:
            await asyncio.gather(*(part.start() for part in parts.values()))
            return Sample(time.monotonic() - begun)
        finally:
            await asyncio.gather(*(part.stop() for part in parts.values()))


@asynccontextmanager
async def _embedded() -> AsyncIterator[None]:
    named = {name: os.environ.pop(name) for name in _REAL_SERVERS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(named)


def _children_cpu_seconds() -> float:
    """Return the CPU time of all processes that ended below this one: the launcher waits for all of its own."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
