"""`kill -9` of a launcher: nothing of it keeps running, and the next start finds its data whole."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.dev.data_lock import locked
from services.dev.problems import DevProblem

STAND_IN = Path(__file__).with_name("launcher_stand_in.py")


@asynccontextmanager
async def launcher(data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A started launcher; killed at the end, however the test ends."""
    argv = [sys.executable, str(STAND_IN), str(data_dir)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"started\n"
        yield process
    finally:
        process.kill()
        await process.communicate()


def processes_of(data_dir: Path) -> list[str]:
    """The processes that name the folder in their command line or work in it. Zombies run no more: they have neither."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = str((process / "cwd").readlink())
        except OSError:
            continue
        if command and (str(data_dir) in command or folder.startswith(str(data_dir))):
            found.append(command)
    return found


async def until_none_runs(data_dir: Path) -> None:
    deadline = time.monotonic() + 10
    while left := processes_of(data_dir):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)


async def test_a_killed_launcher_leaves_no_process(tmp_path: Path) -> None:
    async with launcher(tmp_path):
        assert len(processes_of(tmp_path)) >= 3
    await until_none_runs(tmp_path)


async def test_the_next_start_takes_the_data_over_at_once(tmp_path: Path) -> None:
    for _ in range(2):
        async with launcher(tmp_path):
            pass
    await until_none_runs(tmp_path)


async def test_a_second_launcher_of_the_same_data_is_refused_by_name(tmp_path: Path) -> None:
    async with launcher(tmp_path) as first:
        with (
            pytest.raises(DevProblem, match=rf"in use by another launcher \(process {first.pid}\)"),
            locked(tmp_path),
        ):
            pass
    with locked(tmp_path):
        pass
    await until_none_runs(tmp_path)


async def test_ctrl_c_does_not_reach_the_backends(tmp_path: Path) -> None:
    async with launcher(tmp_path) as process:
        backends = children_of(process.pid)
        assert len(backends) == 3
        assert os.getpgid(process.pid) not in {os.getpgid(pid) for pid in backends}


def children_of(pid: int) -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _parent(path) == pid]


def _parent(process: Path) -> int | None:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1])
