"""What stands before the replicas of a service in production: each connection goes to the next one that takes it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.dev.ports import HOST


@dataclass
class Balancer:
    """`targets` are ports of this machine, and may be named after the start."""

    port: int
    targets: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next target that takes it; None: none does."""
        for _ in self.targets:
            self.targets.append(self.targets.pop(0))
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(HOST, self.targets[-1])
        return None


@asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Take connections on a free port and pass them on."""
    passing: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        passing.add(task)
        task.add_done_callback(passing.discard)
        reached = await balancer.reach()
        if reached is None:
            writer.close()
            return
        there, back = reached
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    server = await asyncio.start_server(pass_on, HOST, 0)
    balancer = Balancer(server.sockets[0].getsockname()[1])
    try:
        yield balancer
    finally:
        server.close()
        for task in list(passing):
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    # A replica that was killed says nothing more: whoever asked it is told at once.
    writer.close()
