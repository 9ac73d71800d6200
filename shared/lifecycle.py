"""How a service lives: start in order, run until told, stop in reverse: readiness off, drain, flush, close."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop
from aiohttp import web

from shared.http.ops import Health, ops_application
from shared.log import configure_logging
from shared.settings import ServiceSettings

log = structlog.get_logger()

# Between "not ready" and closing the listeners: the time a balancer needs to notice.
_LOOK_AWAY_SECONDS = 0.2
_HEARD_SECONDS = 1.0


class Service:
    """The running parts of one service. What is added first is closed last; a task that fails stops the service."""

    def __init__(self, name: str, settings: ServiceSettings) -> None:
        self.name = name
        self.settings = settings
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._health: Health | None = None

    def on_stop(self, close: Callable[[], Awaitable[object]]) -> None:
        """Call `close` at the stop, after everything that was added later."""
        self._stack.push_async_callback(close)

    def run_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a loop until the stop. Its failure is seen: the service stops and says why (DESIGN §10 rule 6)."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._task_ended)
        self._tasks.append(task)
        self.on_stop(lambda: _cancel(task))

    async def serve(self, app: web.Application, health: Health) -> None:
        """Open the public and the operations port."""
        self._health = health
        await self._listen(ops_application(health), self.settings.ops_host, self.settings.ops_port)
        await self._listen(app, self.settings.http_host, self.settings.http_port)
        log.info("service_started", http_port=self.settings.http_port, ops_port=self.settings.ops_port)

    async def _listen(self, app: web.Application, host: str, port: int) -> None:
        # Our own log has what aiohttp's would: route instead of path, so no token. Handlers of gone clients run on:
        # a redemption whose client hung up must still be told to Redis.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=self.settings.drain_seconds)
        await runner.setup()
        self.on_stop(runner.cleanup)
        site = web.TCPSite(runner, host, port, reuse_port=True)
        await site.start()

    async def wait(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()

    async def close(self) -> int:
        """Stop in reverse order. Returns the exit status: 1 when a task failed, or ended though nobody told it to."""
        if self._health is not None:
            self._health.draining = True
            await asyncio.sleep(_LOOK_AWAY_SECONDS)
        failed = any(task.done() and not task.cancelled() for task in self._tasks)
        await self._stack.aclose()
        log.info("service_stopped")
        return 1 if failed else 0

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        log.error("task_failed" if error else "task_ended", task=task.get_name(), exc_info=error)
        self.stop()


async def _cancel(task: asyncio.Task[None]) -> None:
    # Asked until heard: a library may swallow a cancellation. Seen with a Redis subscription whose server went away and came back.
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_HEARD_SECONDS)


Start = Callable[[Service], Awaitable[None]]


def run_service(name: str, settings: ServiceSettings, start: Start) -> int:
    """Run a service until SIGTERM or SIGINT. Returns the exit status."""
    configure_logging(name, settings.log_level, settings.log_format)
    return uvloop.run(_run(name, settings, start))


async def _run(name: str, settings: ServiceSettings, start: Start) -> int:
    service = Service(name, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    try:
        await start(service)
        await service.wait()
    except Exception:
        log.exception("service_failed")
        await service.close()
        return 1
    return await service.close()
