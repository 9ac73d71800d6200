"""What becomes of a record: the body of `POST /v1/users`, and what stands beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.errors import FieldProblem

Record = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - states the fact
    """The record cannot become a user; `problems` say why, and repeat no value."""

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems: Sequence[FieldProblem] = problems


@dataclass(frozen=True, slots=True)
class Mapped:
    """A user to make. `source_id` is the id there; `body` has neither `id` nor `imported_id`, which come of it.

    `registrations`: `{application_id, roles, username, verified, metadata}` each. `left_out`: what the other system knew and this one has
    no place for.
    """

    source_id: str | None
    body: dict[str, Any]
    created_at: datetime | None = None
    registrations: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[str] = field(default=())


MapRecord = Callable[[Record], Mapped]


def text(record: Record, *names: str) -> str | None:
    """Return the first of these members that has text. Raises `Refused` for one that is no text."""
    for name in names:
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            raise Refused(FieldProblem(name, "not_text", "must be a text"))
        if value and value.strip():
            return value.strip()
    return None


def objects(record: Record, name: str) -> list[Record]:
    """Return a member that lists objects; absent is an empty list. Raises `Refused` for anything else."""
    value = record.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused(FieldProblem(name, "not_objects", "must be a list of objects"))
    return value


def mapping(record: Record, name: str) -> dict[str, Any]:
    """Return a member that is an object; absent is an empty one. Raises `Refused` for anything else."""
    value = record.get(name) or {}
    if not isinstance(value, dict):
        raise Refused(FieldProblem(name, "not_object", "must be an object"))
    return dict(value)


def moment(record: Record, name: str) -> datetime | None:
    """Return a time: RFC 3339, or milliseconds of Unix time. Raises `Refused` for anything else."""
    value = record.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000, UTC)
        found = datetime.fromisoformat(str(value))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(
            FieldProblem(name, "not_a_time", "is no time: RFC 3339, or Unix time in milliseconds")
        ) from None


def without_empty(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that say something."""
    return {name: value for name, value in body.items() if value not in (None, "", {}, [])}


def primary(addresses: Sequence[Record], name: str, kind: str) -> tuple[str | None, bool, list[str]]:
    """Return the address to keep of several, whether it is verified, and a note of the others: a verified one goes first."""
    if not addresses:
        return None, False, []
    ordered = sorted(addresses, key=lambda address: not address.get("verified"))
    left_out = [f"{len(ordered) - 1} more {kind}"] if len(ordered) > 1 else []
    return text(ordered[0], name), bool(ordered[0].get("verified")), left_out
