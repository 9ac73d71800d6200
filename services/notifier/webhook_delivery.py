"""The transition of webhooks: claim a delivery, post it, write down what came of it.

As with messages a lease is taken before anything is posted and every write is fenced by the attempt. A receiver may hear an event twice
all the same, when an answer is lost: `webhook-id` is the same then. Order is not promised.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
import structlog

from services.notifier.room import Room
from services.notifier.webhook_fan_out import QUEUE_LEASE_SECONDS, SQL, columns_of
from services.notifier.webhook_pace import Pace
from services.notifier.webhook_post import POST_SECONDS, Posted, WebhookPoster
from shared.bus import EventInvalid, decode_event
from shared.clock import monotonic
from shared.consumer import Record
from shared.database import Pool, Row, is_away
from shared.dead_letters import Refused, put_aside
from shared.keys import KeyRing
from shared.metrics import WEBHOOKS
from shared.outbox import OutboxBell
from shared.webhooks import message_id_of, secret_of, signed_headers

log = structlog.get_logger()

QUEUED = "magiclink.webhook.queued.v1"
# Twelve tries in about a day.
PAUSES_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 10800.0, 14400.0, 18000.0, 21600.0)
_LEASE_SECONDS = POST_SECONDS * 6
_PLACES = 128
_SWEEP_SECONDS = 15.0
_SWEEP_ROWS = 500
_AWAY_PAUSE_SECONDS = 0.5

Wanted = tuple[UUID, str, int]
"""Endpoint, event, and how many attempts there were."""


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """What deliveries are made with. `jitter` returns a number in [0, 1): a tenth of each pause, so that a crowd spreads out."""

    poster: WebhookPoster
    ring: KeyRing
    bell: OutboxBell
    pauses_seconds: Sequence[float] = PAUSES_SECONDS
    jitter: Callable[[], float] = random.random


class WebhookDelivery:
    """Use `handle` with `shared.consumer.consume_batches`, and run `watch` and `sweep` beside it."""

    def __init__(self, pool: Pool, parts: WebhookParts) -> None:
        self._pool = pool
        self._parts = parts
        self._room = Room(_PLACES, "webhook")
        self._pace = Pace()

    async def handle(self, records: list[Record]) -> int:
        """Claim every delivery of these records, as room comes free; return how many records were put aside."""
        wanted: dict[Wanted, None] = {}
        refused: list[Refused] = []
        for record in records:
            try:
                wanted[_read(record)] = None
            except EventInvalid as invalid:
                refused.append(Refused(record, str(invalid)))
        queue = list(wanted)
        while queue:
            room = await self._room.take(len(queue))
            queue, now = queue[room:], queue[:room]
            await self._begin(now)
        if refused:
            async with self._pool.acquire() as connection, connection.transaction():
                await put_aside(connection, refused)
        return len(refused)

    async def watch(self) -> None:
        """Raise what a delivery raised unexpectedly."""
        await self._room.watch()

    async def drain(self) -> None:
        """Wait for the deliveries under way."""
        await self._room.drain()

    async def sweep(self) -> None:
        """Queue again what outlived its lease, every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS * (0.5 + random.random()))  # noqa: S311 - spreads replicas
            try:
                await self.requeue_late()
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("webhooks_not_swept", reason=type(error).__name__)

    async def requeue_late(self) -> int:
        """Queue again what outlived its lease; return how many. Safe on every replica at once."""
        done = await self._pool.execute(SQL.requeue_late_webhooks, _SWEEP_ROWS, QUEUE_LEASE_SECONDS)
        count = int(done.rpartition(" ")[2])
        if count:
            log.warning("webhooks_swept", deliveries=count)
            self._parts.bell.ring()
        return count

    async def _begin(self, wanted: list[Wanted]) -> None:
        """Start what may be started, in places that were taken for all of it."""
        now = [one for one in wanted if self._pace.enter(one[0])]
        later = [(*one, self._pace.pause_seconds(one[0])) for one in wanted if one not in now]
        claimed: Sequence[Row] = []
        try:
            if later:
                await self._pool.execute(SQL.put_off_webhooks, *columns_of(later), QUEUE_LEASE_SECONDS)
            if now:
                claimed = await self._pool.fetch(SQL.claim_webhooks, *columns_of(now), _LEASE_SECONDS)
        finally:
            self._room.give_back(len(wanted) - len(claimed))
            places = Counter(endpoint_id for endpoint_id, _, _ in now)
            places.subtract(row["endpoint_id"] for row in claimed)
            for endpoint_id in places.elements():
                self._pace.leave(endpoint_id)
        for row in claimed:
            self._room.fill(self._deliver(row))

    async def _deliver(self, row: Row) -> None:
        try:
            posted = await self._post(row)
            self._pace.answered(row["endpoint_id"], ok=posted.ok)
            WEBHOOKS.labels(outcome=_outcome(posted)).inc()
            await self._until_written(row, posted)
        finally:
            self._pace.leave(row["endpoint_id"])

    async def _post(self, row: Row) -> Posted:
        if row["disabled_at"] is not None:
            return Posted(ok=False, gone=True, reason="disabled")
        secret = secret_of(self._parts.ring, row["kid"], row["endpoint_id"])
        if secret is None:
            return Posted(ok=False, reason="key_unknown")
        body = orjson.dumps(row["event"])
        headers = signed_headers(secret, message_id_of(row["event_id"]), int(row["now_seconds"]), body)
        return await self._parts.poster.post(row["url"], body, headers)

    async def _until_written(self, row: Row, posted: Posted) -> None:
        """Write the outcome, waiting for a database that is away. Past the lease the attempt is swept: at worst it is posted again."""
        ends = monotonic() + _LEASE_SECONDS
        while True:
            try:
                return await self._write(row, posted)
            except Exception as error:
                if not is_away(error):
                    raise
                if monotonic() > ends:
                    log.warning("webhook_outcome_lost", webhook_id=str(row["endpoint_id"]), ok=posted.ok)
                    return None
            await asyncio.sleep(_AWAY_PAUSE_SECONDS)

    async def _write(self, row: Row, posted: Posted) -> None:
        attempt, pauses = row["attempts"], self._parts.pauses_seconds
        again = not posted.ok and not posted.gone and attempt <= len(pauses)
        pause = pauses[attempt - 1] * (1 + 0.1 * self._parts.jitter()) if again else None
        status = "delivered" if posted.ok else "queued" if again else "failed"
        who = (row["endpoint_id"], row["event_id"], row["app_id"], attempt)
        if posted.gone:
            await self._pool.execute(SQL.disable_webhook, row["endpoint_id"], row["app_id"])
        reason = posted.reason or None
        await self._pool.execute(SQL.finish_webhook, *who, status, pause, reason, QUEUE_LEASE_SECONDS)
        log.info(
            "webhook_posted", webhook_id=str(row["endpoint_id"]), event_id=row["event_id"], attempt=attempt,
            status=status, reason=posted.reason,
        )  # fmt: skip


def _outcome(posted: Posted) -> str:
    if posted.ok:
        return "delivered"
    return "gone" if posted.gone else "failed"


def _read(record: Record) -> Wanted:
    event = decode_event(record.value)
    if event.type != QUEUED:
        raise EventInvalid(f"type: expected {QUEUED}")
    try:
        webhook_id, event_id = UUID(event.data["webhook_id"]), event.data["event_id"]
        attempts = event.data["attempts"]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise EventInvalid("data: needs webhook_id (a UUID), event_id and attempts") from None
    if not isinstance(event_id, str) or not isinstance(attempts, int) or not 0 <= attempts < 2**31:
        raise EventInvalid("data: event_id must be a text, attempts a count")
    return webhook_id, event_id, attempts
