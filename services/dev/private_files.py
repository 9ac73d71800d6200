"""Files that only their owner may read, written whole or not at all."""

import os
import tempfile
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Make the folder (0700) when there is none; take others' rights away when there is."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)


def write_private(path: Path, text: str, *, like: os.stat_result | None = None) -> None:
    """Write the file atomically: a reader sees the old text or the new one. Mode 0600, or mode and owner of another file.

    With `like`, a file that could not be given to that owner is not written: its reader would be locked out.
    """
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if like is not None:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), like.st_uid, like.st_gid)
                os.fchmod(file.fileno(), like.st_mode & 0o777)
            os.fsync(file.fileno())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
