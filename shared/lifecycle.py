"""How a service lives: start in order, run until told, stop in reverse: readiness off, drain, flush, close."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop
from aiohttp import web

from shared.http.answers import DRAINING, Draining
from shared.http.ops import Health, ops_application
from shared.log import configure_logging
from shared.request_log import send_to_standard_output
from shared.settings import HttpSettings
from shared.worker import Inheritance, inheritance

log = structlog.get_logger()

# Between "not ready" and closing the listeners: the time a balancer needs to notice.
_LOOK_AWAY_SECONDS = 0.2
# A worker accepts no more at once, since another one has its sockets: this is for clients to leave their connections.
_LEAVE_SECONDS = 1.0
_HEARD_SECONDS = 1.0
_YOUNG_OBJECTS = 20_000


class Service:
    """The running parts of one service. What is added first is closed last; a task that fails stops the service."""

    def __init__(self, name: str, settings: HttpSettings, inherited: Inheritance | None = None) -> None:
        self.name = name
        self.settings = settings
        self._inherited = inherited
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._health: Health | None = None
        self._draining = Draining()
        self._inherited_sites: list[web.SockSite] = []

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
        """Open the public and the operations port; as a worker, accept on what the parent opened."""
        self._health = health
        self._draining = app[DRAINING]
        left, settings = self._inherited, self.settings
        ops, public = await self._runner(ops_application(health)), await self._runner(app)
        if left is None:
            await web.TCPSite(ops, settings.ops_host, settings.ops_port, reuse_port=True).start()
            await web.TCPSite(public, settings.http_host, settings.http_port, reuse_port=True).start()
        else:
            await web.SockSite(ops, left.ops_socket()).start()
            self._inherited_sites = [web.SockSite(public, listener) for listener in left.http_sockets()]
            for site in self._inherited_sites:
                await site.start()
        log.info("service_started", http_port=settings.http_port, ops_port=settings.ops_port)

    async def _runner(self, app: web.Application) -> web.AppRunner:
        # Our own log has what aiohttp's would: route instead of path, so no token. Handlers of gone clients run on:
        # a redemption whose client hung up must still be told to Redis.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=self.settings.drain_seconds)
        await runner.setup()
        self.on_stop(runner.cleanup)
        return runner

    async def wait(self) -> None:
        await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()

    async def close(self) -> int:
        """Stop in reverse order. Returns the exit status: 1 when a task failed, or ended though nobody told it to."""
        if self._health is not None:
            self._health.draining = self._draining.on = True
            for site in self._inherited_sites:
                await site.stop()
            await asyncio.sleep(_LEAVE_SECONDS if self._inherited_sites else _LOOK_AWAY_SECONDS)
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


def run_service(name: str, settings: HttpSettings, start: Start) -> int:
    """Run a service until SIGTERM or SIGINT. Returns the exit status."""
    is_json = configure_logging(name, settings.log_level, settings.log_format)
    send_to_standard_output(name, settings.log_level, json=is_json)
    return uvloop.run(_run(name, settings, start))


async def _run(name: str, settings: HttpSettings, start: Start) -> int:
    inherited = inheritance()
    service = Service(name, settings, inherited)
    _listen_to_signals(service, inherited)
    try:
        await start(service)
        _leave_out_of_collections()
        await service.wait()
    except Exception:
        log.exception("service_failed")
        await service.close()
        return 1
    return await service.close()


def _leave_out_of_collections() -> None:
    """Take what a service is made of out of the garbage collector's rounds.

    Half a million objects that live as long as the process were walked over and over: 15 % of the time of a request. Requests leave
    next to no cycles behind, so the youngest are looked at less often, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)


def _listen_to_signals(service: Service, inherited: Inheritance | None) -> None:
    loop = asyncio.get_running_loop()
    # SIGHUP too: whoever runs this process starts it again, with keys and settings read anew.
    asked = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if inherited is None else (signal.SIGTERM,)
    for number in asked:
        loop.add_signal_handler(number, service.stop)
    if inherited is not None:
        # A terminal sends these to the parent as well, who then says SIGTERM in its own time; a pipe that ends says it is gone.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        loop.add_reader(inherited.parent, _parent_gone, service, inherited.parent)


def _parent_gone(service: Service, pipe: int) -> None:
    asyncio.get_running_loop().remove_reader(pipe)
    log.warning("parent_gone")
    service.stop()
