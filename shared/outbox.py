"""The one timed outbox (DESIGN §5): rows are written in the transaction of what they tell, relays take what is due."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from shared.bus import DELIVERIES, EVENTS, LANES, Event, encode_event
from shared.database import Connection, Pool, is_away
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).parent / "sql" / "outbox.sql")
WAKE_CHANNEL = "magiclink_outbox"
EVENTS_LANE = "events"
RELAY_LANES = (*LANES, EVENTS_LANE)
_GATHER_SECONDS = 0.02


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
    return OutboxRow(EVENTS_LANE, EVENTS, str(user_id), encode_event(event), None, headers)


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


Wake = Callable[[Iterable[str]], object]


class OutboxBell:
    """Wakes the relays of some lanes after a commit, outside the transaction.

    Those of this process (`nearby`) at once and no others; where there are none, those of all by NOTIFY, 20 ms later for all rings
    until then. A lost ring is harmless: relays also poll. NOTIFY inside the transaction would serialize all commits on one lock.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ringing: asyncio.Task[None] | None = None
        self._wanted: set[str] = set()
        self.nearby: Wake | None = None

    def ring(self, *lanes: str) -> None:
        """Wake the relays of these lanes soon, of all if none is named; returns at once."""
        wanted = lanes or RELAY_LANES
        if self.nearby is not None:
            self.nearby(wanted)
            return
        self._wanted.update(wanted)
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring(), name="outbox-bell")

    async def close(self) -> None:
        if self._ringing is not None:
            await asyncio.wait([self._ringing])

    async def _ring(self) -> None:
        while self._wanted:
            # First, not last: whoever rang has a caller to answer, and a notification takes as long as a small commit.
            await asyncio.sleep(_GATHER_SECONDS)
            lanes, self._wanted = self._wanted, set()
            try:
                await self._pool.execute("SELECT pg_notify($1, $2)", WAKE_CHANNEL, ",".join(sorted(lanes)))
            except Exception as error:
                if not is_away(error):
                    raise
