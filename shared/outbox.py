"""The one timed outbox (DESIGN §5): rows are written in the transaction of what they tell, relays take what is due."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from shared.bus import DELIVERIES, EVENTS, Event, encode_event
from shared.clock import Clock, monotonic
from shared.database import Connection, Pool, is_away
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).parent / "sql" / "outbox.sql")
WAKE_CHANNEL = "magiclink_outbox"
_WAKE_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One event on its way. `due_at` None means now, by the database's clock."""

    lane: str
    topic: str
    key: str
    value: bytes
    due_at: datetime | None = None
    headers: dict[str, str] = field(default_factory=dict)


def lifecycle_row(event: Event, user_id: object, headers: dict[str, str]) -> OutboxRow:
    """An event for product services."""
    return OutboxRow("events", EVENTS, str(user_id), encode_event(event), None, headers)


def delivery_row(
    lane: str, event: Event, user_id: object, due_at: datetime | None, headers: dict[str, str]
) -> OutboxRow:
    """A message for the notifier, now or at `due_at`."""
    return OutboxRow(lane, DELIVERIES[lane], str(user_id), encode_event(event), due_at, headers)


async def append(connection: Connection, rows: list[OutboxRow]) -> None:
    """Write rows within the caller's transaction."""
    if rows:
        await connection.execute(
            SQL.append_outbox,
            [row.lane for row in rows],
            [row.due_at for row in rows],
            [row.topic for row in rows],
            [row.key for row in rows],
            [row.value for row in rows],
            [orjson.dumps(row.headers).decode() for row in rows],
        )


class OutboxBell:
    """Wakes the relays after a commit, outside the transaction, at most every 10 ms a process; those `nearby` at once.

    A lost ring is harmless: relays also poll. NOTIFY inside the transaction would serialize all commits on one lock.
    """

    def __init__(self, pool: Pool, clock: Clock = monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._ringing: asyncio.Task[None] | None = None
        self._wanted = False
        self.nearby: list[Callable[[], object]] = []

    def ring(self) -> None:
        """Wake the relays soon; returns at once."""
        for wake in self.nearby:
            wake()
        self._wanted = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring(), name="outbox-bell")

    async def close(self) -> None:
        if self._ringing is not None:
            await asyncio.wait([self._ringing])

    async def _ring(self) -> None:
        while self._wanted:
            self._wanted = False
            started = self._clock()
            try:
                await self._pool.execute("SELECT pg_notify($1, '')", WAKE_CHANNEL)
            except Exception as error:
                if not is_away(error):
                    raise
            await asyncio.sleep(max(0.0, _WAKE_PAUSE_SECONDS - (self._clock() - started)))
