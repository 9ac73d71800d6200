"""What an operator does with dead letters: find, replay through the outbox, drop (DESIGN §5).

A replay puts the record back as it came: same key, value and headers. Its event keeps its id, so a consumer that has handled it
already finds that out, and a second replay makes no second link.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared import outbox
from shared.database import Pool, Row
from shared.dead_letters import storable_text
from shared.outbox import OutboxBell, OutboxRow
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).with_name("dead_letters.sql"))
# Rows a transaction: small enough to be done in milliseconds, since the rows are locked meanwhile.
CHUNK_ROWS = 200
# What `shared.dead_letters` added. The relay writes headers as they stand in the row.
_OURS = "dlq-"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters: of one topic, with a part of the reason, since a moment; None: any. Newest first, at most `limit`."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    limit: int | None = None
    replayed_too: bool = True


@dataclass(slots=True)
class Replayed:
    """What became of each id."""

    replayed: list[UUID] = field(default_factory=list)
    already: list[UUID] = field(default_factory=list)
    empty: list[UUID] = field(default_factory=list)
    missing: list[UUID] = field(default_factory=list)


Tick = Callable[[int], object]


async def find(pool: Pool, wanted: Filter) -> list[dict[str, Any]]:
    """Return dead letters without key and value, which may hold addresses."""
    rows = await pool.fetch(
        SQL.find_dead_letters, wanted.topic, wanted.reason, wanted.since, wanted.replayed_too, wanted.limit
    )
    return [dict(row) for row in rows]


async def show(pool: Pool, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return whole dead letters, oldest first."""
    return [dict(row) for row in await pool.fetch(SQL.show_dead_letters, list(ids))]


async def replay(pool: Pool, ids: Sequence[UUID], *, again: bool, tick: Tick) -> Replayed:
    """Put records back onto their topics, in short transactions. Those replayed before are left alone unless `again`."""
    done = Replayed()
    bell = OutboxBell(pool)
    for chunk in _chunks(ids):
        await _replay_chunk(pool, chunk, done, again=again)
        bell.ring()
        tick(len(chunk))
    await bell.close()
    return done


async def drop(pool: Pool, ids: Sequence[UUID], tick: Tick) -> list[UUID]:
    """Delete dead letters for good; return those that were there."""
    dropped: list[UUID] = []
    for chunk in _chunks(ids):
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(SQL.drop_dead_letters, chunk)
        dropped += [row["id"] for row in rows]
        tick(len(chunk))
    return dropped


async def _replay_chunk(pool: Pool, ids: list[UUID], done: Replayed, *, again: bool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(SQL.lock_dead_letters, ids)
        already = [row["id"] for row in rows if row["replayed_at"] is not None and not again]
        empty = [row["id"] for row in rows if row["value"] is None]
        fit = [row for row in rows if row["id"] not in {*already, *empty}]
        await outbox.append(connection, [_row(row) for row in fit])
        await connection.execute(SQL.mark_replayed, [row["id"] for row in fit])
    # Only now: what was rolled back has not been replayed.
    done.replayed += [row["id"] for row in fit]
    done.already += already
    done.empty += [id_ for id_ in empty if id_ not in already]
    done.missing += sorted(set(ids) - {row["id"] for row in rows})


def _row(letter: Row) -> OutboxRow:
    headers: Mapping[str, str] = letter["headers"]
    kept = {name: value for name, value in headers.items() if not name.startswith(_OURS)}
    return OutboxRow("events", letter["topic"], storable_text(letter["key"]), letter["value"], None, kept)


def _chunks(ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    # In the order of ids, so that two operators at work do not block each other for ever.
    ordered = sorted(set(ids))
    return (ordered[start : start + CHUNK_ROWS] for start in range(0, len(ordered), CHUNK_ROWS))
