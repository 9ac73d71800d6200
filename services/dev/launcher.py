"""`magiclink dev`: the whole cluster with one command, until Ctrl-C."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.dev import dev_file, ports
from services.dev.backends import launcher_settings
from services.dev.cluster import Cluster
from services.dev.data_lock import locked
from services.dev.environment import uses_inbox
from services.dev.plan import ALL, Plan
from services.dev.problems import DevProblem
from services.dev.screen import Screen

EXAMPLE_SITE = Path(__file__).parents[2] / "examples" / "product_service.py"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `data_dir` holds everything that a start leaves behind."""

    data_dir: Path = Path(".magiclink")
    with_demo: bool = True
    workers: int | None = None


def run(options: Options) -> int:
    """Run the cluster until a stop signal; return the exit code.

    What reads the issuer's modules is imported when it is needed: the backends are on their way by then.
    """
    # The user's PGPORT, PGHOST and the like are about another database than the embedded one.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    screen = Screen()
    try:
        with locked(options.data_dir):
            return asyncio.run(_Launcher(options, screen).run())
    except DevProblem as problem:
        screen.problem(str(problem))
        return 1


class _Launcher:
    def __init__(self, options: Options, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._own = launcher_settings()

    async def run(self) -> int:
        work = asyncio.create_task(self._serve())
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop_asked, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            return 0
        return 1  # it serves until it is cancelled

    def _stop_asked(self, cancel: Callable[[], Any]) -> None:
        # A second Ctrl-C finds the default handling: it ends the launcher at once, and with it all children.
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        self._screen.say("stopping")
        cancel()

    async def _serve(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with ports.choosing(self._screen.say):
                workers = {} if self._options.workers is None else {ALL: self._options.workers}
                plan = Plan(compats=1, fixed_ports=True, launcher_environment=self._own, workers=workers)
                cluster = Cluster(self._options.data_dir, plan, self._screen.say)
                # A file of a launcher that was killed would send readers to servers that are gone.
                dev_file.remove(cluster.data_dir)
                stack.push_async_callback(self._close, cluster)
                await cluster.start()
                dev = await self._open(cluster)
            async with asyncio.TaskGroup() as group:
                group.create_task(cluster.supervise())
                await self._run_demo(dev)
                self._screen.ready(dev, cluster.data_dir, self._own)

    async def _open(self, cluster: Cluster) -> dict[str, Any]:
        database_url = cluster.backends.database_url
        from services.dev.demo_app import ensure_demo_app  # noqa: PLC0415 - see `run`

        demo_app = await ensure_demo_app(database_url, cluster.secrets_dir, cluster.site_url)
        dev = dev_file.describe(cluster, demo_app)
        path = dev_file.write(cluster.data_dir, dev)
        await self._start_site(cluster, path)
        return dev

    async def _close(self, cluster: Cluster) -> None:
        dev_file.remove(cluster.data_dir)
        await cluster.stop()
        self._screen.say("stopped")

    async def _start_site(self, cluster: Cluster, path: Path) -> None:
        # A wheel has no examples: the cluster is whole without its site.
        if EXAMPLE_SITE.exists():
            argv = [
                sys.executable,
                str(EXAMPLE_SITE),
                "--port",
                str(cluster.ports["site"]),
                "--dev-json",
                str(path),
            ]
            await cluster.add("site", argv, cluster.site_url)

    async def _run_demo(self, dev: dict[str, Any]) -> None:
        if not self._options.with_demo:
            return
        if not (uses_inbox(self._own, "mail") and uses_inbox(self._own, "twilio")):
            self._screen.say("no demo: its made-up people would be written to for real")
            return
        from services.dev import demo  # noqa: PLC0415 - see `run`

        try:
            await demo.run(dev, self._screen.say)
        except DevProblem as problem:
            # The cluster is up: whoever looks for the reason needs it running.
            self._screen.problem(f"the demo did not end well: {problem}")
