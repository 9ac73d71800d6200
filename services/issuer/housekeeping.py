"""Keeps the database at its size: makes the partitions of the weeks to come, drops what is past its time.

One path for the issuer's sweeper and for `magiclink maintain`. Nothing here makes a request wait: rows go in short statements that
skip what is locked, and partitions come and go under locks that are had within 100 ms or tried for again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import asyncpg

from shared.clock import monotonic
from shared.database import Pool, Row
from shared.metrics import DEFAULT_PARTITION_ROWS
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).with_suffix(".sql"))

# Small steps: a long delete holds its locks and its snapshot for as long.
_STEP_ROWS = 1_000
_LOCK_TRIES = 10
_LOCK_PAUSE_SECONDS = 0.5
# Dropping a table of hundreds of gigabytes takes the file system seconds.
_DROP_SECONDS = 600.0
_SHORTEST_SLICE = timedelta(minutes=1)

# By table: the statement that drops some of its rows, and whether it asks for the retention.
_ROWS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "idempotency_keys": (SQL.drop_expired_keys, False),
        "messages": (SQL.drop_old_messages, True),
        "heads": (SQL.drop_old_heads, True),
        "link_visits": (SQL.drop_old_visits, False),
        "passcode_days": (SQL.drop_old_passcode_days, False),
        "passcode_lookups": (SQL.drop_old_lookups, False),
        "sessions": (SQL.drop_old_sessions, False),
        "challenges": (SQL.drop_old_challenges, False),
        "trusted_devices": (SQL.drop_old_devices, False),
        "webhook_deliveries": (SQL.drop_old_webhook_deliveries, False),
    }
)


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long links and messages are kept, and how far ahead partitions are made."""

    retention_days: int
    weeks_ahead: int = 8


@dataclass(frozen=True, slots=True)
class OldPartition:
    """A week of links past the retention. `rows` is PostgreSQL's estimate; `bytes` counts the indexes too."""

    name: str
    rows: int
    bytes: int


@dataclass(slots=True)
class Kept:
    """What was done. `alive`: weeks kept because a link of theirs lives. `busy`: those whose lock was not to be had; the next round tries again."""

    made: list[str] = field(default_factory=list)
    dropped: list[OldPartition] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    deleted: dict[str, int] = field(default_factory=dict)
    stray_links: int = 0


class Housekeeping:
    """Safe on every replica at once: rows are taken with SKIP LOCKED or by whoever is first, partitions by one at a time."""

    def __init__(self, pool: Pool, keeping: Keeping) -> None:
        self._pool = pool
        self._keeping = keeping

    async def run(self) -> Kept:
        """Do all there is to do. Raises what the database raises."""
        kept = Kept()
        await self._make_partitions(kept)
        for table, (statement, by_retention) in _ROWS.items():
            arguments = (self._keeping.retention_days,) if by_retention else ()
            kept.deleted[table] = await self._drop_rows(statement, *arguments)
        await self._drop_partitions(kept)
        kept.stray_links = await self._count_strays()
        return kept

    async def look(self) -> Kept:
        """Say which partitions `run` would make and drop, and change nothing."""
        missing = await self._pool.fetch(SQL.list_missing_partitions, self._keeping.weeks_ahead)
        kept = Kept(made=[row["name"] for row in missing])
        for row in await self._old_partitions():
            if await self._holds_live_links(row):
                kept.alive.append(row["name"])
            else:
                kept.dropped.append(_old(row))
        kept.stray_links = await self._count_strays()
        return kept

    async def _make_partitions(self, kept: Kept) -> None:
        while True:
            try:
                name = await self._when_unlocked(SQL.make_partition, self._keeping.weeks_ahead)
            except asyncpg.LockNotAvailableError:
                missing = await self._pool.fetch(SQL.list_missing_partitions, self._keeping.weeks_ahead)
                kept.busy += [row["name"] for row in missing]
                return
            if name is None:
                return
            kept.made.append(str(name))

    async def _drop_partitions(self, kept: Kept) -> None:
        for row in await self._old_partitions():
            if await self._holds_live_links(row):
                kept.alive.append(row["name"])
                continue
            try:
                gone = await self._drop_partition(row)
            except asyncpg.LockNotAvailableError:
                kept.busy.append(row["name"])
                continue
            if gone:
                kept.dropped.append(_old(row))

    async def _drop_partition(self, row: Row) -> bool:
        if row["attached"] and not await self._when_unlocked(
            SQL.detach_partition, row["name"], self._keeping.retention_days
        ):
            return False  # another replica is at it
        return bool(await self._when_unlocked(SQL.drop_partition, row["name"]))

    async def _when_unlocked(self, statement: str, *arguments: object) -> object:
        """Run a statement that fails rather than wait for its lock. Raises the last `LockNotAvailableError`."""
        for _ in range(_LOCK_TRIES - 1):
            try:
                return await self._pool.fetchval(statement, *arguments, timeout=_DROP_SECONDS)
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        return await self._pool.fetchval(statement, *arguments, timeout=_DROP_SECONDS)

    async def _old_partitions(self) -> list[asyncpg.Record]:
        return await self._pool.fetch(SQL.list_old_partitions, self._keeping.retention_days)

    async def _holds_live_links(self, week: Row) -> bool:
        """Say whether a week is still needed; one that is detached was looked at before."""
        return bool(week["attached"]) and await self._is_alive(
            week["monday"], week["monday"] + timedelta(days=7)
        )

    async def _is_alive(self, since: datetime, until: datetime) -> bool:
        """Say whether a link made in this time lives, looking at an hour at a time, or less where an hour is too much for a statement."""
        step = timedelta(hours=1)
        while since < until:
            try:
                if await self._pool.fetchval(SQL.has_live_link, since, min(since + step, until)):
                    return True
            except asyncpg.QueryCanceledError:
                if step <= _SHORTEST_SLICE:
                    raise
                step /= 4
                continue
            since += step
        return False

    async def _drop_rows(self, statement: str, *arguments: int) -> int:
        """Delete until less than a step is left. Rests as long as each step took, so that it takes half of a connection at most."""
        deleted = 0
        while True:
            started = monotonic()
            done = await self._pool.execute(statement, _STEP_ROWS, *arguments)
            count = int(done.removeprefix("DELETE "))
            deleted += count
            if count < _STEP_ROWS:
                return deleted
            await asyncio.sleep(monotonic() - started)

    async def _count_strays(self) -> int:
        strays = int(await self._pool.fetchval(SQL.count_default_partition))
        DEFAULT_PARTITION_ROWS.set(strays)
        return strays


def _old(row: Row) -> OldPartition:
    return OldPartition(row["name"], row["rows"], row["bytes"])
