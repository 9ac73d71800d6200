"""Files that only their owner may read, written whole or not at all."""

import os
import tempfile
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Make the folder (0700) when there is none; take others' rights away when there is."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write the file (0600) atomically: a reader sees the old text or the new one."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
