"""The sweeper: queues messages again that outlived their lease, and keeps house.

A crashed notifier, or a topic that lost its data, delays a message and never loses it (G3). A lane whose consumers are merely behind
is left alone: queueing everything twice would only make it later.
"""

import asyncio
from dataclasses import dataclass

import structlog
from aiokafka.errors import KafkaError

from services.issuer.lag import LaneLag
from services.issuer.new_links import SOURCE
from services.issuer.standing import SQL as PASSCODES_SQL
from services.issuer.store import SQL
from shared import outbox
from shared.bus import LANES
from shared.database import Pool, is_away
from shared.messages import MessageFacts, Queueing, queued_row
from shared.metrics import DEFAULT_PARTITION_ROWS, SWEPT
from shared.outbox import OutboxBell

log = structlog.get_logger()

_LAG_SECONDS = 10.0
# Small steps: a long delete holds its locks and its snapshot for as long.
_STEP_ROWS = 1_000
_STEPS_A_ROUND = 100
_PARTITION_WEEKS = 8
_HOUSEKEEPING_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class SweepRules:
    """Leases and rates, in seconds and messages."""

    every_seconds: float
    batch: int
    queue_lease_seconds: float
    callback_wait_seconds: float


class Sweeper:
    """Looks every few seconds, until cancelled. Safe on every replica at once: rows are taken with SKIP LOCKED."""

    def __init__(self, pool: Pool, lag: LaneLag, bell: OutboxBell, rules: SweepRules) -> None:
        self._pool = pool
        self._lag = lag
        self._bell = bell
        self._rules = rules

    async def run(self) -> None:
        rounds = 0
        while True:
            try:
                await self.requeue_late()
                if rounds % _HOUSEKEEPING_ROUNDS == 0:
                    await self.keep_house()
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("sweep_failed", reason=type(error).__name__)
            rounds += 1
            await asyncio.sleep(self._rules.every_seconds)

    async def requeue_late(self) -> int:
        """Queue late messages again; return how many."""
        lanes = [lane for lane in LANES if await self._is_lost(lane)]
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                SQL.requeue_late,
                self._rules.batch,
                lanes,
                self._rules.queue_lease_seconds,
                self._rules.callback_wait_seconds,
            )
            queued = [row for row in rows if row["status"] == "queued"]
            events = []
            for row in queued:
                facts = MessageFacts.of(row)
                events.append(queued_row(SOURCE, facts, Queueing(row["attempts"], row["requeues"]), {}))
            await outbox.append(connection, events)
        for row in rows:
            SWEPT.labels(status=row["was"]).inc()
            log.warning(
                "message_swept",
                message_id=str(row["id"]),
                was=row["was"],
                now=row["status"],
                requeues=row["requeues"],
            )
        if queued:
            self._bell.ring()
        return len(queued)

    async def keep_house(self) -> None:
        """Drop what is past its time, make the partitions of the weeks to come, look at the default partition."""
        for block in (
            SQL.drop_expired_keys,
            SQL.drop_old_visits,
            SQL.drop_old_passcode_days,
            SQL.drop_old_heads,
            SQL.drop_old_sessions,
            SQL.drop_old_challenges,
            SQL.drop_old_devices,
            SQL.drop_old_webhook_deliveries,
            PASSCODES_SQL.drop_old_lookups,
        ):
            await self._drop(block)
        await self._pool.fetchval(SQL.ensure_partitions, _PARTITION_WEEKS)
        stray = await self._pool.fetchval(SQL.count_default_partition)
        DEFAULT_PARTITION_ROWS.set(stray)
        if stray:
            log.error("links_in_default_partition", rows=stray)

    async def _drop(self, block: str) -> None:
        for _ in range(_STEPS_A_ROUND):
            done = await self._pool.execute(block, _STEP_ROWS)
            if done != f"DELETE {_STEP_ROWS}":
                return

    async def _is_lost(self, lane: str) -> bool:
        """Say whether messages of this lane are late for another reason than the consumers' lag."""
        oldest = await self._pool.fetchval(SQL.oldest_queued, lane)
        if oldest is None or await self._pool.fetchval(SQL.is_outbox_behind, lane, oldest):
            return False
        try:
            async with asyncio.timeout(_LAG_SECONDS):
                return await self._lag.has_read_past(lane, oldest)
        except (KafkaError, TimeoutError) as error:
            log.warning("lag_unknown", lane=lane, reason=type(error).__name__)
            return False
