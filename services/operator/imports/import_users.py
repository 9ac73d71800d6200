"""Takes users in, many together: each is made, was there already, or is refused for reasons that are told.

Idempotent: who is known by the id of the other system is left as it is, so an import may be run again, over a part of the
file or over all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import orjson

from services.issuer.user_fields import UserCreate
from services.operator.imports.mapping import Mapped, MapRecord, Record, Refused, without_empty
from shared.database import Connection, Pool, Row
from shared.errors import FieldProblem, Invalid
from shared.http.routes import validate
from shared.public_ids import parse_id
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

SQL = SqlBlocks(Path(__file__).with_suffix(".sql"))
BATCH = 500

Fate = Literal["made", "present", "refused"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record: its number in the file (from 1), its id there, and why it was refused, or what was left out."""

    number: int
    source_id: str | None
    fate: Fate
    problems: Sequence[FieldProblem] = ()
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TargetApp:
    """The app that gets the users, and how it names them."""

    id: UUID
    user_id_format: str


@dataclass(slots=True)
class _Row:
    """A user about to be made."""

    number: int
    mapped: Mapped
    user: UserCreate
    id: UUID
    imported_id: str | None
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, mapped: Mapped, app: TargetApp) -> "_Row":
        # An id that this app would write the same stays the user's own; another one is kept beside a new one.
        own = None if mapped.source_id is None else parse_id(app.user_id_format, mapped.source_id)
        user = validate(UserCreate, without_empty({**mapped.body, "imported_id": mapped.source_id}))
        imported_id = mapped.source_id if own is None else None
        return cls(number, mapped, user, own or new_link_id(), imported_id, list(mapped.left_out))


async def find_app(pool: Pool, app_id: UUID) -> TargetApp | None:
    """Return the app, or None."""
    row = await pool.fetchrow(SQL.find_app, app_id)
    return None if row is None else TargetApp(row["id"], row["user_id_format"])


async def import_batch(
    pool: Pool, app: TargetApp, records: Sequence[tuple[int, Record]], map_record: MapRecord, *, dry_run: bool
) -> list[Outcome]:
    """Take a batch of numbered records in, in one transaction, and tell of each. `dry_run` finds out the same and keeps nothing."""
    outcomes: list[Outcome] = []
    rows: list[_Row] = []
    for number, record in records:
        try:
            mapped = map_record(record)
        except Refused as refused:
            outcomes.append(Outcome(number, None, "refused", refused.problems))
            continue
        try:
            rows.append(_Row.of(number, mapped, app))
        except Invalid as invalid:
            outcomes.append(Outcome(number, mapped.source_id, "refused", invalid.problems))
    if rows:
        outcomes += await _write(pool, app, rows, dry_run=dry_run)
    return sorted(outcomes, key=lambda outcome: outcome.number)


async def _write(pool: Pool, app: TargetApp, rows: list[_Row], *, dry_run: bool) -> list[Outcome]:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            outcomes = await _take_in(connection, app, rows)
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if dry_run else transaction.commit())
        return outcomes


async def _take_in(connection: Connection, app: TargetApp, rows: list[_Row]) -> list[Outcome]:
    made = await _insert(connection, app, rows)
    others = [row for row in rows if row.id not in made]
    taken = await _taken(connection, app, others)
    # The same people in two apps: the id is another app's row, so here it is kept beside a new one.
    foreign = [row for row in others if _only_the_id_is_foreign(taken.get(row.number, []))]
    for row in foreign:
        row.imported_id, row.id = row.mapped.source_id, new_link_id()
    made |= await _insert(connection, app, foreign)
    taken |= await _taken(connection, app, [row for row in foreign if row.id not in made])
    await _register(connection, app, [row for row in rows if row.id in made])
    return [_outcome(row, made, taken.get(row.number, [])) for row in rows]


async def _insert(connection: Connection, app: TargetApp, rows: list[_Row]) -> set[UUID]:
    columns = [_columns(row) for row in rows]
    if not columns:
        return set()
    return {
        row["id"]
        for row in await connection.fetch(
            SQL.import_users, app.id, *(list(column) for column in zip(*columns, strict=True))
        )
    }


def _columns(row: _Row) -> tuple[Any, ...]:
    user = row.user
    return (
        row.id, user.email, user.email_verified, user.phone, user.phone_verified, user.username, user.status,
        user.suspended_until, user.expires_at, user.external_id, row.imported_id, _json(user.profile), _json(user.roles),
        _json(user.metadata), user.password_change_required, row.mapped.created_at,
    )  # fmt: skip


async def _taken(connection: Connection, app: TargetApp, rows: list[_Row]) -> dict[int, list[Row]]:
    if not rows:
        return {}
    columns = [
        (
            row.number,
            row.id,
            row.imported_id,
            row.user.email,
            row.user.phone,
            row.user.username,
            row.user.external_id,
        )
        for row in rows
    ]
    found: dict[int, list[Row]] = {}
    for row in await connection.fetch(
        SQL.find_taken, app.id, *(list(column) for column in zip(*columns, strict=True))
    ):
        found.setdefault(row["place"], []).append(row)
    return found


def _only_the_id_is_foreign(taken: Sequence[Row]) -> bool:
    return bool(taken) and all(not row["is_own"] for row in taken)


async def _register(connection: Connection, app: TargetApp, rows: list[_Row]) -> None:
    wanted = [
        (
            new_link_id(),
            row.id,
            _uuid(one["application_id"]),
            _json(one["roles"]),
            one["username"],
            one["verified"],
            _json(one["metadata"]),
        )
        for row in rows
        for one in row.mapped.registrations
    ]
    columns = [one for one in wanted if one[2] is not None]
    made: set[UUID] = set()
    if columns:
        found = await connection.fetch(
            SQL.import_registrations, app.id, *(list(column) for column in zip(*columns, strict=True))
        )
        made = {row["application_id"] for row in found}
    for row in rows:
        missing = [one for one in row.mapped.registrations if _uuid(one["application_id"]) not in made]
        row.left_out += (
            [f"registration of an application that the app does not have ({len(missing)})"] if missing else []
        )


def _outcome(row: _Row, made: set[UUID], taken: Sequence[Row]) -> Outcome:
    source_id = row.mapped.source_id
    if row.id in made:
        return Outcome(row.number, source_id, "made", left_out=row.left_out)
    if source_id is not None and any(
        one["is_own"] and (one["id"] == row.id or one["imported_id"] == source_id) for one in taken
    ):
        return Outcome(row.number, source_id, "present")
    problems = [
        FieldProblem(name, "already_exists", "another user of this app has it")
        for name in ("email", "phone", "username", "external_id")
        if any(one[f"has_{name}"] for one in taken)
    ]
    return Outcome(
        row.number, source_id, "refused", problems or [FieldProblem("id", "already_exists", "is taken")]
    )


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
