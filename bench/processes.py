"""CPU time and memory of processes, as /proc tells them."""

import os
from pathlib import Path

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
