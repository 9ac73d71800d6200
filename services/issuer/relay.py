"""The relay: moves due outbox rows to Kafka, one loop and producer a lane (DESIGN §5).

Rows are taken and deleted with SKIP LOCKED, produced with acks=all, and the deletion is committed when the broker has acknowledged.
A crash between the two repeats an event; its id is stable, and every consumer is idempotent.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from services.issuer.produce import produce
from services.issuer.store import SQL
from shared.bus import is_broker_away, make_producer
from shared.clock import Clock, monotonic
from shared.database import Pool, Row, is_away
from shared.metrics import OUTBOX_LAG, OUTBOX_RELAYED, RELAY_FAILURES
from shared.outbox import EVENTS_LANE
from shared.settings import KafkaSettings
from shared.transports import is_gone

log = structlog.get_logger()

BATCH_ROWS = 2000
# With a backlog: while the one commits, or waits for the broker, the other takes and packs.
HANDS = 2
POLL_SECONDS = 1.0
BROKER_SECONDS = 2.0
# The longest a transaction is held; a broker that needs longer gets the rows again.
PRODUCE_SECONDS = 5.0
_FAILURE_PAUSE_SECONDS = 0.5
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# A row may come to light so much later than it is due, which is when its transaction began.
_LATE_COMMIT = timedelta(seconds=5)
# Nobody waits for an event at a screen: what the next moments bring comes along, in one transaction.
_GATHER_SECONDS = {EVENTS_LANE: 0.02}
# Rows that are due but locked are on their way with another replica.
_LOCKED_PAUSE_SECONDS = 0.05


class Horizon:
    """From which due time to look: soon after the rows taken last, and once a second from the beginning.

    The index holds deleted rows until they are vacuumed, which one old snapshot puts off for all: with 400,000 of them before the
    living, a look from the beginning takes 280 ms.
    """

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._from = _BEGINNING
        self._whole_look_at = 0.0

    def start(self) -> datetime:
        """Return the due time after which to look."""
        now = self._clock()
        if now < self._whole_look_at:
            return self._from
        self._whole_look_at = now + POLL_SECONDS
        return _BEGINNING

    def took(self, rows: Sequence[Row]) -> None:
        """Remember how far these rows reach."""
        if rows:
            self._from = max(row["due_at"] for row in rows) - _LATE_COMMIT


class LaneRelay:
    """Relays one lane until cancelled. `wake` is cheap and may be called from anywhere in the loop's thread."""

    def __init__(self, lane: str, pool: Pool, settings: KafkaSettings) -> None:
        self.lane = lane
        self._pool = pool
        self._settings = settings
        self._woken = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._horizon = Horizon()
        self._relayed = OUTBOX_RELAYED.labels(lane=lane)
        self._lag = OUTBOX_LAG.labels(lane=lane)

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        try:
            while True:
                try:
                    pause_seconds = await self._relay_due()
                except (KafkaError, TimeoutError) as error:
                    await self._failed("broker", error)
                    pause_seconds = _FAILURE_PAUSE_SECONDS
                except Exception as error:
                    if not is_away(error):
                        raise
                    await self._failed("database", error)
                    pause_seconds = _FAILURE_PAUSE_SECONDS
                await self._rest(pause_seconds)
                await asyncio.sleep(_GATHER_SECONDS.get(self.lane, 0.0))
        finally:
            await self._drop_producer()

    async def _relay_due(self) -> float:
        """Relay everything that is due; return how long to rest."""
        producer = await self._connected_producer()
        self._woken.clear()
        start = self._horizon.start()
        taken, seconds = await self._relay_batch(producer, start)
        if taken == BATCH_ROWS:
            await self._relay_backlog(producer)
            return 0.0
        if seconds is None:
            return POLL_SECONDS
        if seconds <= 0:
            return _LOCKED_PAUSE_SECONDS if taken == 0 else 0.0
        return min(seconds, POLL_SECONDS)

    async def _relay_backlog(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.TaskGroup() as hands:
                for _ in range(HANDS):
                    hands.create_task(self._relay_while_full(producer))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _relay_while_full(self, producer: AIOKafkaProducer) -> None:
        while (await self._relay_batch(producer, self._horizon.start()))[0] == BATCH_ROWS:
            pass

    async def _relay_batch(self, producer: AIOKafkaProducer, start: datetime) -> tuple[int, float | None]:
        """Relay what is due; return how many rows that was, and the seconds until the next one is."""
        async with self._pool.acquire() as connection, connection.transaction():
            *rows, last = await connection.fetch(SQL.take_due, self.lane, BATCH_ROWS, start)
            if rows:
                async with asyncio.timeout(PRODUCE_SECONDS):
                    await produce(producer, rows)
        self._horizon.took(rows)
        self._relayed.inc(len(rows))
        if rows:
            # The latest row speaks for its batch: each by itself was a tenth of the relay's time.
            late = last["taken_at"] - min(row["due_at"] for row in rows)
            self._lag.observe(max(0.0, late.total_seconds()))
        return len(rows), last["seconds_to_next"]

    async def _connected_producer(self) -> AIOKafkaProducer:
        """Return a producer whose broker answers: rows must not be held locked for one that does not."""
        if self._producer is None:
            producer = make_producer(self._settings)
            try:
                async with asyncio.timeout(BROKER_SECONDS):
                    await producer.start()
            except BaseException as error:
                await _stop(producer)
                if is_gone(error):
                    raise KafkaConnectionError from error
                raise
            self._producer = producer
        return self._producer

    async def _failed(self, what: str, error: Exception) -> None:
        RELAY_FAILURES.labels(lane=self.lane).inc()
        log.warning("relay_failed", lane=self.lane, away=what, reason=type(error).__name__)
        if what == "broker":
            await self._drop_producer()

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return


async def _stop(producer: AIOKafkaProducer) -> None:
    # With a dead broker `stop` waits for ever for what it still holds; those rows are in the outbox anyway.
    try:
        async with asyncio.timeout(BROKER_SECONDS):
            await producer.stop()
    except Exception as error:
        if not is_broker_away(error):
            raise
        log.debug("producer_stop_failed", reason=type(error).__name__)
