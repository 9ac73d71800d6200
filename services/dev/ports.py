"""Which port each part listens on: a fixed default, or the next free one when it is taken."""

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path

from services.dev.problems import DevProblem

HOST = "127.0.0.1"

DEFAULTS: Mapping[str, int] = {
    "site": 8000,
    "issuer": 8001,
    "verifier": 8002,
    "notifier": 8003,
    "compat": 8004,
    "inbox": 8005,
    "inbox-smtp": 8006,
    "redis": 8007,
    "kafka": 8008,
    "issuer-ops": 9001,
    "verifier-ops": 9002,
    "notifier-ops": 9003,
    "compat-ops": 9004,
}
SEARCH_FROM = 8009
# Below the range the kernel takes outgoing ports from (32768 on Linux): such a port could be gone before it is used.
UNFIXED = range(20_000, 32_000)


def choose_fixed(names: Iterable[str]) -> dict[str, int]:
    """Give each name its default port when that is free, else (and without a default) the next free one."""
    wanted = list(names)
    chosen = {name: DEFAULTS[name] for name in wanted if name in DEFAULTS and is_free(DEFAULTS[name])}
    # Another part's default stays its own, so that one taken port does not shift all others.
    taken = set(DEFAULTS.values())
    for name in wanted:
        if name not in chosen:
            start = DEFAULTS[name] + 1 if DEFAULTS.get(name, 0) > SEARCH_FROM else SEARCH_FROM
            chosen[name] = next_free(start, taken)
            taken.add(chosen[name])
    return chosen


def choose_unfixed(names: Iterable[str]) -> dict[str, int]:
    """Give each name any free port, for tests that run beside a development cluster."""
    wanted = list(names)
    candidates = _shuffled(UNFIXED)
    return {name: next(port for port in candidates if is_free(port)) for name in wanted}


@contextlib.asynccontextmanager
async def choosing(say: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold other launchers of this user back from choosing ports until ours are taken; say when we are held back.

    Services listen with SO_REUSEPORT: two clusters on one port would not fail, they would share each other's requests.
    """
    path = Path(tempfile.gettempdir()) / f"magiclink-ports-{os.geteuid()}.lock"
    # The folder is everybody's: a link somebody laid there must not lead us to another file.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not _try_lock(descriptor):
            say("waiting until another launcher has its ports")
            while not _try_lock(descriptor):  # noqa: ASYNC110 - another process holds it
                await asyncio.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def next_free(start: int, taken: Iterable[int] = ()) -> int:
    """Return the first free port from `start` that is not among `taken`. Raises `DevProblem`."""
    avoided = set(taken)
    for port in range(start, min(start + 1_000, 65_536)):
        if port not in avoided and is_free(port):
            return port
    raise DevProblem(f"no free port on {HOST} from {start} on")


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do it: connections of an earlier run that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shuffled(ports: range) -> Iterator[int]:
    return iter(random.sample(ports, len(ports)))
