"""The relay: moves due outbox rows to Kafka, one loop, connection and producer a lane (DESIGN §5).

Rows are taken with SKIP LOCKED, produced with acks=all, deleted when the broker has acknowledged, and only then committed.
A crash between the two repeats an event; its id is stable, and every consumer is idempotent.
"""

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.issuer.store import SQL
from shared.bus import make_producer
from shared.database import Connection, Pool, Row, is_away
from shared.metrics import OUTBOX_LAG, OUTBOX_RELAYED, RELAY_FAILURES
from shared.settings import KafkaSettings

log = structlog.get_logger()

BATCH_ROWS = 500
POLL_SECONDS = 1.0
BROKER_SECONDS = 2.0
# The longest a transaction is held; a broker that needs longer gets the rows again.
PRODUCE_SECONDS = 5.0
_FAILURE_PAUSE_SECONDS = 0.5
# Rows that are due but locked are on their way with another replica.
_LOCKED_PAUSE_SECONDS = 0.05


class LaneRelay:
    """Relays one lane until cancelled. `wake` is cheap and may be called from anywhere in the loop's thread."""

    def __init__(self, lane: str, pool: Pool, settings: KafkaSettings) -> None:
        self.lane = lane
        self._pool = pool
        self._settings = settings
        self._woken = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None

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
        finally:
            await self._drop_producer()

    async def _relay_due(self) -> float:
        """Relay everything that is due; return how long to rest."""
        producer = await self._connected_producer()
        while True:
            self._woken.clear()
            async with self._pool.acquire() as connection:
                taken = await self._relay_batch(connection, producer)
                if taken == BATCH_ROWS:
                    continue
                seconds = await connection.fetchval(SQL.seconds_to_next, self.lane)
            if seconds is None:
                return POLL_SECONDS
            if seconds <= 0:
                return _LOCKED_PAUSE_SECONDS if taken == 0 else 0.0
            return min(float(seconds), POLL_SECONDS)

    async def _relay_batch(self, connection: Connection, producer: AIOKafkaProducer) -> int:
        async with connection.transaction():
            rows = await connection.fetch(SQL.take_due, self.lane, BATCH_ROWS)
            if rows:
                async with asyncio.timeout(PRODUCE_SECONDS):
                    await _produce(producer, rows)
                await connection.execute(SQL.delete_sent, [row["id"] for row in rows])
        OUTBOX_RELAYED.labels(lane=self.lane).inc(len(rows))
        for row in rows:
            OUTBOX_LAG.labels(lane=self.lane).observe(max(0.0, row["late_seconds"]))
        return len(rows)

    async def _connected_producer(self) -> AIOKafkaProducer:
        """Return a producer whose broker answers: rows must not be held locked for one that does not."""
        if self._producer is None:
            producer = make_producer(self._settings)
            try:
                async with asyncio.timeout(BROKER_SECONDS):
                    await producer.start()
            except BaseException:
                await _stop(producer)
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


async def _produce(producer: AIOKafkaProducer, rows: Sequence[Row]) -> None:
    acknowledgements = [
        await producer.send(
            row["topic"],
            row["value"],
            key=row["key"].encode(),
            headers=[(name, value.encode()) for name, value in row["headers"].items()],
        )
        for row in rows
    ]
    await asyncio.gather(*acknowledgements)


async def _stop(producer: AIOKafkaProducer) -> None:
    # With a dead broker `stop` waits for ever for what it still holds; those rows are in the outbox anyway.
    try:
        async with asyncio.timeout(BROKER_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.debug("producer_stop_failed", reason=type(error).__name__)
