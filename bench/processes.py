"""Processes: their CPU time and memory, as /proc tells them, and those that end and print what they measured."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from services.dev.children import bare_environment

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(*pids: int) -> float:
    """Return the CPU time of these processes and of those they started, user and system."""
    return sum(_own_cpu_seconds(pid) for pid in with_children(*pids))


def rss_bytes(*pids: int) -> int:
    """Return the resident memory of these processes and of those they started; shared pages count in each."""
    return sum(
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES for pid in with_children(*pids)
    )


def with_children(*pids: int) -> list[int]:
    """Return these processes and all that descend from them and still run."""
    found = list(pids)
    for pid in found:  # it grows while it is walked
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def _own_cpu_seconds(pid: int) -> float:
    # The name of the program, in brackets, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


async def run_module(module: str, *arguments: str, most_seconds: float) -> dict[str, Any]:
    """Run a Python module to its end; return the JSON object that it prints. Raises `SystemExit` with what it wrote when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=bare_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(most_seconds):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SystemExit(f"{module} {arguments[0]} failed:\n{errors.decode()[-2000:]}")
    told: dict[str, Any] = json.loads(output)
    return told
