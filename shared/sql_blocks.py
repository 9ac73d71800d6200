"""SQL in named blocks, next to the service that runs it.

A block begins with `-- name: take_due` and ends at the next one. Comments stay in the text: they show up in
`pg_stat_activity`, where an operator reads them. Every block is prepared at start-up and in `make check`.
"""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


class SqlBlocks:
    """The blocks of one file as attributes: `sql.take_due`. A missing name is an `AttributeError` that says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks = load(path)

    def __getattr__(self, name: str) -> str:
        try:
            return self.blocks[name]
        except KeyError:
            raise AttributeError(f"no SQL block named {name!r} in {self.path}") from None


def load(path: Path) -> dict[str, str]:
    """Return the blocks of a file by name. Raises `ValueError` for a name that stands twice."""
    text = path.read_text(encoding="utf-8")
    parts = _NAME.split(text)
    names, texts = parts[1::2], parts[2::2]
    if text.count("-- name:") != len(names):
        raise ValueError(f"a line in {path} looks like the name of a block and is none (letters and _)")
    if len(set(names)) != len(names):
        raise ValueError(f"a block name stands twice in {path}")
    return {name: f"-- {name}\n{text.strip()}" for name, text in zip(names, texts, strict=True)}
