"""The notifier's statements, as functions over rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.clock import monotonic
from shared.database import Connection, Pool, Row
from shared.messages import MessageFacts
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")
SOURCE = "/notifier"


@dataclass(frozen=True, slots=True, repr=False)
class Claimed:
    """A message that this worker may send until its lease ends. Holds an address: it has no representation."""

    facts: MessageFacts
    attempt: int
    requeues: int
    row: Row
    claimed_at: datetime
    taken_at: float = field(default_factory=monotonic)  # the same moment, on this process's own clock

    @property
    def seconds_left(self) -> float:
        return float(self.row["seconds_left"])


@dataclass(frozen=True, slots=True)
class Finished:
    """What an attempt came to, as the row will say it. `lease_seconds` None: nothing more is to be done."""

    claimed: Claimed
    status: str
    outcome: str
    detail: str
    provider: str | None = None
    provider_id: str | None = None
    lease_seconds: float | None = None
    retry_seconds: float | None = None


async def claim_messages(
    pool: Pool, wanted: Sequence[tuple[UUID, int]], lease_seconds: float
) -> list[Claimed]:
    """Take the lease on those messages that wait for the attempt named; one statement, one transaction."""
    rows = await pool.fetch(SQL.claim_messages, [i for i, _ in wanted], [n for _, n in wanted], lease_seconds)
    return [
        Claimed(
            facts=MessageFacts.of(row),
            attempt=row["attempts"],
            requeues=row["requeues"],
            row=row,
            claimed_at=row["claimed_at"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class LifeOf:
    """A link whose life begins when the first of its messages is accepted."""

    link_id: UUID
    app_id: UUID


async def lock_unaccepted_links(connection: Connection, lives: Sequence[LifeOf]) -> None:
    """Lock those of the links whose lives have not begun. First in a transaction: links are locked before messages."""
    if lives:
        await connection.fetch(SQL.lock_unaccepted_links, *_life_columns(lives))


async def begin_lives(connection: Connection, lives: Sequence[LifeOf]) -> None:
    """Start the clock of locked links whose message was accepted now; a life that has begun stays as it is."""
    if lives:
        await connection.execute(SQL.begin_lives, *_life_columns(lives))


def _life_columns(lives: Sequence[LifeOf]) -> list[Any]:
    ids = [life.link_id for life in lives]
    return [ids, [life.app_id for life in lives], min(ids), max(ids)]


async def finish_attempts(connection: Connection, finished: Sequence[Finished]) -> set[UUID]:
    """Write what the attempts, one or more, came to; return the messages whose lease was still ours."""
    rows = await connection.fetch(SQL.finish_attempts, *zip(*map(_columns_of, finished), strict=True))
    return {row["id"] for row in rows}


def _columns_of(finished: Finished) -> tuple[Any, ...]:
    claimed = finished.claimed
    return (
        claimed.facts.message_id,
        claimed.attempt,
        claimed.claimed_at,
        finished.status,
        finished.outcome,
        finished.provider,
        finished.provider_id,
        finished.detail,
        finished.lease_seconds,
    )
