"""`--workers N`: a parent that keeps N processes of one service alive and replaces them one by one (DESIGN §7).

Each worker accepts on a socket of its own (SO_REUSEPORT), which the parent opened and keeps: a replacement inherits it, with
the connections that wait in its queue. The parent takes no request; it serves the one operations port (`shared.http.workers_ops`).
SIGTERM stops all gracefully. SIGHUP replaces each worker by one that reads settings and key files anew, so that keys are rotated
without a refused request; when the new one does not become ready, the old ones stay.
"""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
import uvloop
from aiohttp import web

from shared.clock import monotonic
from shared.http.workers_ops import WorkersOps
from shared.log import configure_logging
from shared.settings import HttpSettings
from shared.worker_process import Listeners, WorkerProcess

log = structlog.get_logger()

READY_SECONDS = 60.0
# Between "not ready" and the end of accepting: the time a balancer needs to notice.
_LOOK_AWAY_SECONDS = 0.2
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
# Whoever ran this long has recovered; the next end starts counting anew.
_STEADY_SECONDS = 60.0


@dataclass(slots=True)
class Slot:
    """A worker's place: the sockets stay, the process in it changes."""

    number: int
    listeners: Listeners
    worker: WorkerProcess | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def ready_worker(self) -> WorkerProcess:
        if self.worker is None:
            raise LookupError(f"worker {self.number} was not started")
        return self.worker


class Workers:
    """Keeps `count` workers of one service alive until told to stop."""

    def __init__(self, settings: HttpSettings, argv: Sequence[str], count: int) -> None:
        self._settings = settings
        self._argv = argv
        self._slots = [Slot(1, Listeners.open(settings.http_host, settings.http_port))]
        # Port 0 is chosen once: all workers share what the first one got.
        port = self._slots[0].listeners.port
        self._slots += [
            Slot(number, Listeners.open(settings.http_host, port)) for number in range(2, count + 1)
        ]
        self._stopping, self._failed = asyncio.Event(), asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._wanted_anew = False
        self._processes: set[WorkerProcess] = set()
        self._ops = WorkersOps(lambda: [slot.worker for slot in self._slots])

    def stop(self) -> None:
        self._stopping.set()

    def replace(self) -> None:
        """Begin to replace the workers; asked again meanwhile, it is done once more afterwards."""
        self._wanted_anew = True
        if any(slot.worker is None for slot in self._slots):
            log.info(
                "workers_are_starting"
            )  # the first one may have read the old keys: all are replaced after the start
            return
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._replace_all(), name="replace-workers")
            self._replacing.add_done_callback(self._replaced)

    async def run(self) -> int:
        """Run until told to stop; return the exit status. When the very first worker fails, so does the parent."""
        runner = web.AppRunner(self._ops.application(), access_log=None)
        await runner.setup()
        keepers: list[asyncio.Task[None]] = []
        try:
            await web.TCPSite(runner, self._settings.ops_host, self._settings.ops_port).start()
            status = await self._start_all()
            if status is None:
                keepers = [asyncio.create_task(self._keep(slot)) for slot in self._slots]
                log.info("workers_started", workers=len(self._slots), http_port=self._slots[0].listeners.port)
                if self._wanted_anew:
                    self.replace()
                status = await self._until_stop(keepers)
        finally:
            await self._close(keepers)
            await runner.cleanup()
        return status

    async def _until_stop(self, keepers: list[asyncio.Task[None]]) -> int:
        """Wait for the wish to stop: 0; or for a fault of the parent's own: 1."""
        waits = [asyncio.create_task(event.wait()) for event in (self._stopping, self._failed)]
        await asyncio.wait([*waits, *keepers], return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        return 0 if self._stopping.is_set() else 1

    async def _start_all(self) -> int | None:
        """Start the first worker, then the others. Returns the status of a first one that failed: it has said why."""
        first, *others = self._slots
        worker = await self._start(first)
        ready = asyncio.create_task(worker.until_ready(READY_SECONDS))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ready, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (ready, stopping):
            task.cancel()
        if self._stopping.is_set():
            return 0
        if not worker.running:
            return await worker.wait() or 1
        for slot in others:
            await self._start(slot)
        return None

    async def _start(self, slot: Slot) -> WorkerProcess:
        slot.worker = await self._new_process(slot)
        return slot.worker

    async def _new_process(self, slot: Slot) -> WorkerProcess:
        worker = await WorkerProcess.start(self._argv, slot.listeners)
        self._processes.add(worker)
        log.info("worker_started", worker=slot.number, pid=worker.pid)
        return worker

    async def _end(self, worker: WorkerProcess) -> None:
        await worker.stop(self._settings.drain_seconds)
        self._forget(worker)

    def _forget(self, worker: WorkerProcess) -> None:
        if worker in self._processes:
            self._processes.remove(worker)
            worker.let_go()

    async def _keep(self, slot: Slot) -> None:
        """Start the slot's worker again when it ends by itself, later each time."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            worker, started = slot.ready_worker, monotonic()
            status = await worker.wait()
            if slot.worker is not worker:
                continue  # it was replaced
            if monotonic() - started > _STEADY_SECONDS:
                pause_seconds = _FIRST_PAUSE_SECONDS
            self._forget(worker)
            log.error("worker_ended", worker=slot.number, status=status, again_in_seconds=pause_seconds)
            if pause_seconds > _FIRST_PAUSE_SECONDS:
                # It fails again and again: nobody shall wait in its queue while others could answer.
                async with slot.changing:
                    if slot.worker is worker:
                        slot.listeners.reopen()
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            async with slot.changing:
                if slot.worker is worker:
                    await self._start(slot)

    def _replaced(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed.set()

    async def _replace_all(self) -> None:
        while self._wanted_anew:
            self._wanted_anew = False
            log.info("replacing_workers", workers=len(self._slots))
            for slot in self._slots:
                if not await self._replace(slot):
                    log.error(
                        "workers_not_replaced", worker=slot.number, reason="the new one did not become ready"
                    )
                    break
            else:
                log.info("workers_replaced", workers=len(self._slots))

    async def _replace(self, slot: Slot) -> bool:
        async with slot.changing:
            new = await self._new_process(slot)
            if not await new.until_ready(READY_SECONDS):
                await self._end(new)
                return False
            old, slot.worker = slot.ready_worker, new
            await self._end(old)
            return True

    async def _close(self, keepers: list[asyncio.Task[None]]) -> None:
        self._ops.draining = True
        tasks = [*keepers, *([self._replacing] if self._replacing else [])]
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                log.error("task_failed", exc_info=error)
        await asyncio.sleep(_LOOK_AWAY_SECONDS)
        # Closed before the workers stop accepting: from then on a connection is refused at once, and does not wait in a queue
        # that nobody reads until the last worker has drained.
        for slot in self._slots:
            slot.listeners.close()
        await asyncio.gather(*map(self._end, list(self._processes)))
        log.info("workers_stopped")


def run_workers(name: str, settings: HttpSettings, argv: Sequence[str], count: int) -> int:
    """Run `argv` `count` times as workers of one service, until SIGTERM or SIGINT. Returns the exit status."""
    configure_logging(name, settings.log_level, settings.log_format)
    return uvloop.run(_run(settings, argv, count))


async def _run(settings: HttpSettings, argv: Sequence[str], count: int) -> int:
    try:
        workers = Workers(settings, argv, count)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, workers.stop)
        loop.add_signal_handler(signal.SIGHUP, workers.replace)
        return await workers.run()
    except Exception:
        # A port that is taken, for one.
        log.exception("workers_failed")
        return 1
