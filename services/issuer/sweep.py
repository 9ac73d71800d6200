"""The sweeper: queues messages again that outlived their lease, and keeps house.

A crashed notifier, or a topic that lost its data, delays a message and never loses it (G3). A lane whose consumers are merely behind
is left alone: queueing everything twice would only make it later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.issuer.housekeeping import Housekeeping, Keeping, Kept
from services.issuer.lag import LaneLag
from services.issuer.link_rows import SOURCE
from services.issuer.store import SQL
from shared import outbox
from shared.bus import LANES, is_broker_away
from shared.database import Pool, is_away
from shared.messages import MessageFacts, Queueing, queued_row
from shared.metrics import SWEPT
from shared.outbox import OutboxBell

log = structlog.get_logger()

_LAG_SECONDS = 10.0
_HOUSEKEEPING_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class SweepRules:
    """Leases and rates, in seconds and messages."""

    every_seconds: float
    batch: int
    queue_lease_seconds: float
    callback_wait_seconds: float
    keeping: Keeping


class Sweeper:
    """Looks every few seconds, until cancelled. Safe on every replica at once: rows are taken with SKIP LOCKED."""

    def __init__(self, pool: Pool, lag: LaneLag, bell: OutboxBell, rules: SweepRules) -> None:
        self._pool = pool
        self._lag = lag
        self._bell = bell
        self._rules = rules

    async def run(self) -> None:
        # Apart: a round of housekeeping may take minutes, and a late message does not wait for it.
        async with asyncio.TaskGroup() as group:
            group.create_task(_again_and_again(self.requeue_late, self._rules.every_seconds))
            group.create_task(_again_and_again(self.keep_house, _HOUSEKEEPING_SECONDS))

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

    async def keep_house(self) -> Kept:
        """Drop what is past its time, make the partitions of the weeks to come, look at the default partition."""
        kept = await Housekeeping(self._pool, self._rules.keeping).run()
        for name in kept.made:
            log.info("partition_made", partition=name)
        for old in kept.dropped:
            log.info("partition_dropped", partition=old.name, rows=old.rows, bytes=old.bytes)
        for name in kept.busy:
            log.warning("partition_busy", partition=name)
        if kept.stray_links:
            log.error("links_in_default_partition", rows=kept.stray_links)
        return kept

    async def _is_lost(self, lane: str) -> bool:
        """Say whether messages of this lane are late for another reason than the consumers' lag."""
        oldest = await self._pool.fetchval(SQL.oldest_queued, lane)
        if oldest is None or await self._pool.fetchval(SQL.is_outbox_behind, lane, oldest):
            return False
        try:
            async with asyncio.timeout(_LAG_SECONDS):
                return await self._lag.has_read_past(lane, oldest)
        except Exception as error:
            if not is_broker_away(error):
                raise
            log.warning("lag_unknown", lane=lane, reason=type(error).__name__)
            return False


async def _again_and_again(look: Callable[[], Awaitable[object]], every_seconds: float) -> None:
    while True:
        try:
            await look()
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("sweep_failed", reason=type(error).__name__)
        await asyncio.sleep(every_seconds)
