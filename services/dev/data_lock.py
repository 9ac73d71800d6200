"""One launcher a data folder. The kernel drops the lock when the launcher ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from services.dev.private_files import make_private_folder
from services.dev.problems import DevProblem


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises `DevProblem` when another launcher has it."""
    try:
        make_private_folder(data_dir)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DevProblem(f"{data_dir} cannot be used: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise DevProblem(
                f"{data_dir} is in use by another launcher (process {holder}).\n"
                "Stop that one with Ctrl-C, or start this one with another --data-dir."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
