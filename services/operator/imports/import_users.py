"""Takes users in, many together: each is made, was there already, or is refused for reasons that are told.

Idempotent: who is known by the id of the other system is left as it is, so an import may be run again, over a part of the
file or over all of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from services.operator.imports.mapping import MapRecord, Record, Refused
from services.operator.imports.rows import TargetApp, UserRow, columns_of, json_text
from services.operator.imports.trial import Trial
from shared.database import Connection, Pool, Row
from shared.errors import FieldProblem, Invalid
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


async def find_app(pool: Pool, app_id: UUID) -> TargetApp | None:
    """Return the app, or None."""
    row = await pool.fetchrow(SQL.find_app, app_id)
    return None if row is None else TargetApp(row["id"], row["user_id_format"])


async def import_batch(
    pool: Pool,
    app: TargetApp,
    records: Sequence[tuple[int, Record]],
    map_record: MapRecord,
    trial: Trial | None = None,
) -> list[Outcome]:
    """Take a batch of numbered records in, in one transaction, and tell of each.

    With a `trial`, the same one for all batches of a file, it finds out the same and keeps nothing.
    """
    outcomes: list[Outcome] = []
    rows: list[UserRow] = []
    for number, record in records:
        try:
            mapped = map_record(record)
        except Refused as refused:
            outcomes.append(Outcome(number, None, "refused", refused.problems))
            continue
        try:
            rows.append(UserRow.of(number, mapped, app))
        except Invalid as invalid:
            outcomes.append(Outcome(number, mapped.source_id, "refused", invalid.problems))
    outcomes += await (_write(pool, app, rows, keep=True) if trial is None else _try(pool, app, rows, trial))
    return sorted(outcomes, key=lambda outcome: outcome.number)


async def _try(pool: Pool, app: TargetApp, rows: list[UserRow], trial: Trial) -> list[Outcome]:
    outcomes, fresh = [], []
    for row in rows:
        if trial.is_known(row.mapped.source_id):
            outcomes.append(Outcome(row.number, row.mapped.source_id, "present"))
        elif taken := trial.taken(row.unique):
            outcomes.append(_refused(row, taken))
        else:
            fresh.append(row)
    tried = {outcome.number: outcome for outcome in await _write(pool, app, fresh, keep=False)}
    for row in fresh:
        if tried[row.number].fate == "made":
            trial.add(row.mapped.source_id, row.unique)
    return [*outcomes, *tried.values()]


async def _write(pool: Pool, app: TargetApp, rows: list[UserRow], *, keep: bool) -> list[Outcome]:
    if not rows:
        return []
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            outcomes = [one for some in _rounds(rows) for one in await _take_in(connection, app, some)]
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.commit() if keep else transaction.rollback())
        return outcomes


def _rounds(rows: list[UserRow]) -> Iterator[list[UserRow]]:
    """Yield the rows, no two with one id together: of the second the database says that the first is there."""
    while rows:
        first = {row.id: row for row in reversed(rows)}
        some = [row for row in rows if first[row.id] is row]
        # Before they are taken in, which may give them other ids.
        rows = [row for row in rows if first[row.id] is not row]
        yield some


async def _take_in(connection: Connection, app: TargetApp, rows: list[UserRow]) -> list[Outcome]:
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


async def _insert(connection: Connection, app: TargetApp, rows: list[UserRow]) -> set[UUID]:
    columns = [columns_of(row) for row in rows]
    if not columns:
        return set()
    return {
        row["id"]
        for row in await connection.fetch(
            SQL.import_users, app.id, *(list(column) for column in zip(*columns, strict=True))
        )
    }


async def _taken(connection: Connection, app: TargetApp, rows: list[UserRow]) -> dict[int, list[Row]]:
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


async def _register(connection: Connection, app: TargetApp, rows: list[UserRow]) -> None:
    columns = [
        (
            new_link_id(),
            row.id,
            one.application_id,
            json_text(one.roles),
            one.username,
            one.verified,
            json_text(one.metadata),
        )
        for row in rows
        for one in row.registrations
    ]
    made: set[UUID] = set()
    if columns:
        found = await connection.fetch(
            SQL.import_registrations, app.id, *(list(column) for column in zip(*columns, strict=True))
        )
        made = {row["application_id"] for row in found}
    for row in rows:
        missing = [one for one in row.registrations if one.application_id not in made]
        row.left_out += (
            [f"registration of an application that the app does not have ({len(missing)})"] if missing else []
        )


def _outcome(row: UserRow, made: set[UUID], taken: Sequence[Row]) -> Outcome:
    source_id = row.mapped.source_id
    if row.id in made:
        return Outcome(row.number, source_id, "made", left_out=row.left_out)
    if source_id is not None and any(
        one["is_own"] and (one["id"] == row.id or one["imported_id"] == source_id) for one in taken
    ):
        return Outcome(row.number, source_id, "present")
    return _refused(row, [name for name in row.unique if any(one[f"has_{name}"] for one in taken)])


def _refused(row: UserRow, taken: Sequence[str]) -> Outcome:
    problems = [FieldProblem(name, "already_exists", "another user of this app has it") for name in taken]
    problems = problems or [FieldProblem("id", "already_exists", "is taken")]
    return Outcome(row.number, row.mapped.source_id, "refused", problems)
