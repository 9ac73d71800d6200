"""`--workers N`: no request is refused while workers are replaced, killed or stopped; one operations port speaks for all."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.dev.ports import choose_unfixed
from tests.house.tree import ROOT

STAND_IN = Path(__file__).with_name("worker_stand_in.py")


@dataclass
class Crew:
    """A parent with its workers."""

    process: asyncio.subprocess.Process
    url: str
    ops_url: str
    word_file: Path

    async def ask(self, **query: str) -> dict[str, Any]:
        """Ask over a connection of its own, so that any worker may get it. Raises what a client would see.

        A POST, because the client library repeats a GET by itself.
        """
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self.url, params=query) as response,
        ):
            answer: dict[str, Any] = await response.json()
            return answer

    async def ops(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.ops_url + path) as response:
            return response.status, await response.text()

    async def pids(self) -> set[int]:
        return {(await self.ask())["pid"] for _ in range(30)}

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.05)

    async def is_ready(self) -> bool:
        with suppress(aiohttp.ClientError):
            return (await self.ops("/readyz"))[0] == 200
        return False


async def start_crew(folder: Path, count: int, *, start_seconds: float = 0) -> Crew:
    ports = choose_unfixed(["http", "ops"])
    word_file = folder / "word"
    word_file.write_text("first")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(STAND_IN), "parent", str(count), str(ports["http"]), str(ports["ops"]),
        cwd=ROOT, env={
            **os.environ, "STAND_IN_WORD": str(word_file), "STAND_IN_SECONDS": str(start_seconds), "PYTHONPATH": str(ROOT)
        },
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return Crew(process, f"http://127.0.0.1:{ports['http']}/", f"http://127.0.0.1:{ports['ops']}", word_file)


@pytest.fixture
async def crew(tmp_path: Path) -> AsyncIterator[Crew]:
    crew = await start_crew(tmp_path, 2)
    await crew.until(crew.is_ready)
    yield crew
    with suppress(ProcessLookupError):
        crew.process.terminate()
    await crew.process.wait()


class Load:
    """Asks all the time, and keeps what went wrong."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.failures: list[str] = []
        self.words: list[str] = []
        self._over = False

    async def run(self) -> None:
        while not self._over:
            try:
                self.words.append((await self.crew.ask(seconds="0.1"))["word"])
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")

    async def during(self, work: Awaitable[None]) -> None:
        running = [asyncio.create_task(self.run()) for _ in range(12)]
        try:
            await work
            await asyncio.sleep(0.3)
        finally:
            self._over = True
            await asyncio.gather(*running)


def is_alive(pid: int) -> bool:
    # A zombie waits for its parent only.
    with suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


async def test_sighup_replaces_every_worker_without_a_refused_request(crew: Crew) -> None:
    before = await crew.pids()
    assert len(before) == 2
    load = Load(crew)

    async def replace() -> None:
        crew.word_file.write_text("second")
        crew.process.send_signal(signal.SIGHUP)

        async def replaced() -> bool:
            return not any(map(is_alive, before))

        await crew.until(replaced)

    await load.during(replace())
    assert load.failures == []
    assert {"first", "second"} == set(load.words)
    after = await crew.pids()
    assert (len(after), after & before) == (2, set())
    assert (await crew.ask())["word"] == "second"


async def test_when_the_new_one_does_not_start_the_old_ones_stay(crew: Crew) -> None:
    before = await crew.pids()
    crew.word_file.write_text("")
    crew.process.send_signal(signal.SIGHUP)
    await asyncio.sleep(2)
    assert await crew.pids() == before
    assert await crew.is_ready()
    crew.word_file.write_text("mended")
    crew.process.send_signal(signal.SIGHUP)

    async def mended() -> bool:
        return not await crew.pids() & before

    await crew.until(mended)


async def test_a_killed_worker_comes_back_and_who_waits_at_its_door_is_answered(crew: Crew) -> None:
    before = await crew.pids()
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    # Half of these go to the dead one's socket: the parent keeps it open, so they wait.
    answers = await asyncio.gather(*(crew.ask() for _ in range(20)))
    assert killed not in {answer["pid"] for answer in answers}
    await crew.until(crew.is_ready)
    after = await crew.pids()
    assert (len(after), killed in after) == (2, False)


async def test_readiness_and_metrics_speak_for_all_workers(crew: Crew) -> None:
    status, text = await crew.ops("/readyz")
    assert (status, '"workers": "ok"' in text) == (200, True)
    assert (await crew.ops("/livez"))[0] == 200
    metrics = (await crew.ops("/metrics"))[1]
    for worker in ("1", "2"):
        assert f'process_cpu_seconds_total{{worker="{worker}"}}' in metrics
    assert metrics.count("# TYPE process_cpu_seconds_total counter") == 1
    stopped = min(await crew.pids())
    os.kill(stopped, signal.SIGSTOP)
    status, text = await crew.ops("/readyz")
    os.kill(stopped, signal.SIGCONT)
    assert (status, "1 of 2 ready" in text) == (503, True)


async def test_sigterm_lets_requests_in_flight_end_and_leaves_nobody_behind(crew: Crew) -> None:
    workers = await crew.pids()
    slow = [asyncio.create_task(crew.ask(seconds="1.5")) for _ in range(6)]
    await asyncio.sleep(0.3)
    crew.process.terminate()
    assert {answer["word"] for answer in await asyncio.gather(*slow)} == {"first"}
    assert await crew.process.wait() == 0
    assert not any(map(is_alive, workers))


async def test_at_the_stop_who_comes_late_is_refused_at_once(crew: Crew) -> None:
    # A queue that nobody reads would hold a client until the slowest request of others has ended.
    slow = asyncio.create_task(crew.ask(seconds="3"))
    await asyncio.sleep(0.3)
    crew.process.terminate()
    await asyncio.sleep(1)
    assert not slow.done()
    with pytest.raises(aiohttp.ClientConnectionError):
        async with asyncio.timeout(1):
            await crew.ask()
    assert (await slow)["word"] == "first"


async def test_sighup_during_the_start_is_not_forgotten(tmp_path: Path) -> None:
    crew = await start_crew(tmp_path, 2, start_seconds=0.5)
    read_mark = crew.word_file.with_name("started")

    async def has_been_read() -> bool:
        return await asyncio.to_thread(read_mark.exists)

    try:
        # The first worker has read the old word; the second one has not been started.
        await crew.until(has_been_read)
        crew.word_file.write_text("second")
        crew.process.send_signal(signal.SIGHUP)
        await crew.until(crew.is_ready)

        async def all_anew() -> bool:
            with suppress(aiohttp.ClientError):
                return {(await crew.ask())["word"] for _ in range(20)} == {"second"}
            return False

        await crew.until(all_anew)
    finally:
        crew.process.terminate()
        await crew.process.wait()


async def test_workers_end_with_a_parent_that_was_killed(crew: Crew) -> None:
    workers = await crew.pids()
    crew.process.kill()
    await crew.process.wait()

    async def gone() -> bool:
        return not any(map(is_alive, workers))

    await crew.until(gone)


async def test_a_first_worker_that_cannot_start_ends_the_parent_with_its_status(tmp_path: Path) -> None:
    crew = await start_crew(tmp_path, 2)
    crew.word_file.write_text("")
    async with asyncio.timeout(20):
        assert await crew.process.wait() == 2
