"""A Kafka consumer in batches: offsets are committed only after `handle` has returned (DESIGN §5)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from shared.bus import connection_options, is_broker_away
from shared.database import is_away
from shared.errors import Unavailable
from shared.flood import FloodLimit
from shared.log import REQUEST_ID
from shared.settings import KafkaSettings

log = structlog.get_logger()

# As text: the classes are generic for the type checker only.
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"
Consumer: TypeAlias = "AIOKafkaConsumer[bytes | None, bytes | None]"
# Returns how many records it put aside (None: none).
Handle = Callable[[list[Record]], Awaitable[int | None]]

_PAUSES_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """What to read: one topic in one group, at most `batch` records at a time."""

    topic: str
    group: str
    batch: int


async def consume_batches(
    settings: KafkaSettings, subscription: Subscription, handle: Handle, flood: FloodLimit | None = None
) -> None:
    """Hand over records in batches until cancelled.

    While the database is away, or `handle` says `Unavailable`, the same batch waits; while too much is put aside nothing is read;
    any other failure is raised: nothing is skipped. Give `flood` where readiness shall name it.
    """
    flood = flood or FloodLimit(subscription.topic, settings.dead_letters_per_minute)
    consumer = await _started(settings, subscription)
    try:
        # No batch larger than a minute's worth: whoever waits longer than `max_poll_interval_ms` loses the partitions.
        most = min(subscription.batch, flood.per_minute)
        while True:
            await flood.pass_on()
            batches = await consumer.getmany(timeout_ms=1_000, max_records=most)
            records = [record for batch in batches.values() for record in batch]
            if records:
                flood.count(await _handle_until_done(handle, records, subscription))
                await _commit(consumer, {at: batch[-1].offset + 1 for at, batch in batches.items() if batch})
    finally:
        await _stop(consumer, subscription)


def _new_consumer(settings: KafkaSettings, subscription: Subscription) -> Consumer:
    return AIOKafkaConsumer(
        subscription.topic,
        **connection_options(settings),
        group_id=subscription.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 3,
        max_poll_interval_ms=600_000,
        request_timeout_ms=20_000,
        metadata_max_age_ms=30_000,
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
    )


async def _started(settings: KafkaSettings, subscription: Subscription) -> Consumer:
    """Return a consumer whose broker answers. Each try has a new one: one that got half way cannot be started again."""
    tries = 0
    while True:
        consumer = _new_consumer(settings, subscription)
        try:
            await consumer.start()
        except BaseException as error:
            await _stop(consumer, subscription)
            if not is_broker_away(error):
                raise
            log.warning("broker_away", topic=subscription.topic, reason=type(error).__name__)
        else:
            return consumer
        await asyncio.sleep(_PAUSES_SECONDS[min(tries, len(_PAUSES_SECONDS) - 1)])
        tries += 1


async def _stop(consumer: Consumer, subscription: Subscription) -> None:
    # aiokafka may wait for a dead broker for ever.
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await consumer.stop()
    except Exception as error:
        if not is_broker_away(error):
            raise
        log.warning("consumer_stop_failed", topic=subscription.topic, reason=type(error).__name__)


async def _handle_until_done(handle: Handle, records: list[Record], subscription: Subscription) -> int:
    tries = 0
    while True:
        try:
            return await handle(records) or 0
        except Exception as error:
            if not (is_away(error) or isinstance(error, Unavailable)):
                raise
            log.warning("handler_waits", topic=subscription.topic, reason=type(error).__name__, tries=tries)
        await asyncio.sleep(_PAUSES_SECONDS[min(tries, len(_PAUSES_SECONDS) - 1)])
        tries += 1


async def _commit(consumer: Consumer, offsets: dict[object, int]) -> None:
    try:
        await consumer.commit(offsets)
    except (CommitFailedError, IllegalStateError) as error:
        # The partitions went to another member, who reads the records again: every handler is idempotent.
        log.info("commit_superseded", reason=type(error).__name__)
    except KafkaError as error:
        log.warning("commit_failed", reason=type(error).__name__)


def request_id_of(record: Record) -> str:
    """Return the id of the request that a record came from; a record without one is named by its place."""
    # A header may be null, or anything at all: what could not be logged and stored would stop the partition for ever.
    given = (dict(record.headers or ()).get("x-request-id") or b"").decode("ascii", "replace")
    fits = REQUEST_ID.fullmatch(given)
    return given if fits else f"{record.topic}.{record.partition}.{record.offset}"
