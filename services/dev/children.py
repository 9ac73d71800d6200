"""Child processes: each in a session of its own, its output in a log file, dead when the launcher is dead.

A session of its own keeps Ctrl-C in the terminal from reaching it: the launcher alone stops its children, in order.
Children are stopped by process id, never by name.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.dev.problems import DevProblem

LEASH = Path(__file__).with_name("leash.py")
STOP_TIMEOUT_SECONDS = 10.0
TAIL_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. `orphan_signal` is what it gets when the launcher dies without stopping it."""

    argv: Sequence[str]
    log_path: Path
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL


class Child:
    """One running program. `start` after its end runs it again."""

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self.command = command
        self._process: asyncio.subprocess.Process | None = None
        self._log_offset = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id. Raises `DevProblem` when it was never started."""
        if self._process is None:
            raise DevProblem(f"{self.name} was not started")
        return self._process.pid

    async def prepare(self, argv: Sequence[str]) -> None:
        """Run `argv`, which gets ready to become the program and waits for its environment on standard input; `start` sends it."""
        if not self.running:
            self._process = await self._run(argv, asyncio.subprocess.PIPE)

    async def start(self) -> None:
        """Run the program. Its end is tied to the calling thread, so call from the main thread only."""
        if self._process is None or not self.running:
            self._process = await self._run(self.command.argv, asyncio.subprocess.DEVNULL)
        elif self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(dict(self.command.environment)).encode() + b"\n")
            self._process.stdin.close()

    async def _run(self, argv: Sequence[str], stdin: int) -> asyncio.subprocess.Process:
        if sys.platform != "linux":
            raise DevProblem(
                "the embedded backends run on Linux only: use Linux, WSL 2 or a container, or docker-compose.yml"
            )
        command = self.command
        command.log_path.parent.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-I", "-S", str(LEASH), str(int(command.orphan_signal)), str(os.getpid())]
        descriptor = os.open(command.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._log_offset = os.fstat(descriptor).st_size
            return await asyncio.create_subprocess_exec(
                *leash,
                *argv,
                stdin=stdin,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(command.environment),
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    async def wait(self) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        if self._process is None:
            raise DevProblem(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Ask the program to end; kill it, and what it started, when it has not after `timeout_seconds`."""
        if self._process is None or not self.running:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.command.stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), timeout_seconds)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """`kill -9` the program and whatever shares its session, and wait until it is gone."""
        if self._process is None or not self.running:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def log_tail(self) -> str:
        """Return the end of what the program wrote since it was started last."""
        with contextlib.suppress(FileNotFoundError), self.command.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_offset, size - TAIL_BYTES))
            return log.read().decode(errors="replace").strip()
        return ""

    def problem(self, what: str) -> DevProblem:
        """Make the error that says `what` happened to this child, with the end of its log."""
        tail = self.log_tail() or "(it wrote nothing)"
        return DevProblem(f"{self.name} {what}\n  log: {self.command.log_path}\n{_indent(tail)}")


def bare_environment() -> dict[str, str]:
    """Return this process's environment without settings of ours or of PostgreSQL's client library.

    A PGPORT or PGSERVICE of the user's shell would lead a child to another database than the one it is told.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAGICLINK_", "PG"))}


def _indent(text: str) -> str:
    return "\n".join(f"  | {_shortened(line)}" for line in text.splitlines()[-12:])


def _shortened(line: str) -> str:
    """A traceback in a JSON line fills the screen; what failed stands at both ends of it."""
    return line if len(line) <= 400 else f"{line[:150]} … {line[-250:]}"
