"""One worker process of `shared.workers`, as its parent holds it."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from shared.clock import monotonic
from shared.worker import Inheritance

# Beyond the time that requests in flight get: looking away, closing connections.
_CLOSING_SECONDS = 10.0
_ASK_SECONDS = 3.0
_BETWEEN_LOOKS_SECONDS = 0.05


@dataclass(slots=True)
class Listeners:
    """Sockets of one worker on the service's port. Bound here; it is the worker that listens on them."""

    host: str
    port: int
    sockets: list[socket.socket]

    @classmethod
    def open(cls, host: str, port: int) -> "Listeners":
        """Bind one socket for each address of the host. Raises `OSError` when the port is somebody else's."""
        sockets: list[socket.socket] = []
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            bound = socket.socket(family, kind, protocol)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], port, *address[2:]))
            port = bound.getsockname()[1]
        return cls(host, port, sockets)

    def reopen(self) -> None:
        """Put new sockets in the place of the old: who waits in the old ones' queues is sent away."""
        # Opened first: the port is ours all the time.
        fresh = Listeners.open(self.host, self.port)
        self.close()
        self.sockets = fresh.sockets

    def close(self) -> None:
        for each in self.sockets:
            each.close()


class WorkerProcess:
    """A running worker. It ends when told to, by itself, or with its parent: the pipe between them then closes."""

    def __init__(self, process: asyncio.subprocess.Process, ops_url: str, pipe: int) -> None:
        self._process = process
        self._ops_url = ops_url
        self._pipe = pipe

    @classmethod
    async def start(cls, argv: Sequence[str], listeners: Listeners) -> "WorkerProcess":
        """Run the program with the slot's sockets."""
        with socket.create_server(("127.0.0.1", 0)) as ops:
            reading, writing = os.pipe()
            left = Inheritance([each.fileno() for each in listeners.sockets], ops.fileno(), reading)
            environment = {name: value for name, value in os.environ.items() if name != "MAGICLINK_WORKERS"}
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    env=environment | left.variable(),
                    pass_fds=left.descriptors,
                    stdin=asyncio.subprocess.DEVNULL,
                )
            except BaseException:
                os.close(writing)
                raise
            finally:
                os.close(reading)
            # Closed here when this block ends: a connection to a worker that is gone must be refused, not wait.
            return cls(process, f"http://127.0.0.1:{ops.getsockname()[1]}", writing)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the end; return the exit status, negative for a signal."""
        return await self._process.wait()

    async def until_ready(self, seconds: float) -> bool:
        """Wait until the worker is ready. False when it has ended, or the time is over."""
        deadline = monotonic() + seconds
        while self.running and monotonic() < deadline:
            answer = await self.ask("/readyz")
            if answer is not None and answer[0] == 200:
                return True
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
        return False

    async def ask(self, path: str) -> tuple[int, bytes] | None:
        """Return status and body of the worker's own operations page; None when it does not answer."""
        timeout = aiohttp.ClientTimeout(total=_ASK_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._ops_url + path) as response,
            ):
                return response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def stop(self, drain_seconds: float) -> None:
        """Ask it to end once its requests are answered; kill it when it has not after that time and some more."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(drain_seconds + _CLOSING_SECONDS):
                await self.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self.wait()

    def let_go(self) -> None:
        """Close this end of the pipe, after the worker's end."""
        os.close(self._pipe)
