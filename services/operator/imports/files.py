"""Reads an export: CSV, JSON lines, a JSON list, or an answer of the vendor's API that holds one."""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

# Where vendors' answers keep their users, in the order in which they are looked for.
_LISTS = ("users", "results", "data", "items")
_CHUNK_BYTES = 1 << 20

Record = dict[str, Any]


class UnreadableFile(Exception):  # noqa: N818 - shown to an operator as it is
    """The file is no export that can be read; the message says where."""


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file, one a user. Raises `UnreadableFile`; what was yielded before holds.

    The form is told from the file: `.csv`, or JSON by how it begins. JSON lines and CSV are read as they come, however long.
    """
    if path.suffix.lower() == ".csv":
        yield from _csv(path)
    elif _is_lines(path):
        yield from _json_lines(path)
    else:
        yield from _json(path)


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file: to go on with it only if it is the same."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _csv(path: Path) -> Iterator[Record]:
    # `utf-8-sig`: spreadsheets begin a file with a mark that would become part of the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row:
                    raise UnreadableFile(f"line {reader.line_num}: has more fields than the first line names")
                yield {name: value for name, value in row.items() if value}
        except (csv.Error, UnicodeDecodeError) as error:
            raise UnreadableFile(f"line {reader.line_num}: {error}") from None


def _is_lines(path: Path) -> bool:
    """Say whether the first line is a whole object: then each line is one."""
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        found = orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    # One line that holds a list of users is an answer of an API, not a user.
    return isinstance(found, dict) and _list_in(found) is None


def _json_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _object(_loads(line, f"line {number}"), f"line {number}")


def _json(path: Path) -> Iterator[Record]:
    found = _loads(path.read_bytes(), "the file")
    users = _list_in(found) if isinstance(found, dict) else found
    if not isinstance(users, list):
        raise UnreadableFile(
            f"holds no list of users: a JSON list, or an object with one of {', '.join(_LISTS)}"
        )
    for number, user in enumerate(users, start=1):
        yield _object(user, f"user {number}")


def _list_in(found: dict[str, Any]) -> list[Any] | None:
    return next((found[name] for name in _LISTS if isinstance(found.get(name), list)), None)


def _loads(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreadableFile(f"{where}: is not JSON in UTF-8 ({error.msg})") from None


def _object(value: Any, where: str) -> Record:
    if not isinstance(value, dict):
        raise UnreadableFile(f"{where}: is no object")
    return value
