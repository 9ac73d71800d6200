"""A bad deploy dead-letters no more than the limit allows; what was not read stays in Kafka and is read later."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared.consumer import Record, Subscription, consume_batches
from shared.database import Pool
from shared.dead_letters import Refused, put_aside
from shared.flood import DeadLetterFlood, FloodLimit
from shared.settings import KafkaSettings
from tests.backends import Kafka, new_topic

RECORDS = 60
PER_MINUTE = 10


async def send(kafka: Kafka, topic: str, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    try:
        for number in range(count):
            await producer.send_and_wait(topic, str(number).encode())
    finally:
        await producer.stop()


async def until(ready: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await ready.wait()


async def test_a_consumer_stops_before_it_puts_a_whole_topic_aside_and_loses_nothing(
    kafka: Kafka, issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    topic = await new_topic(kafka)
    await send(kafka, topic, RECORDS)
    settings = KafkaSettings(
        kafka_bootstrap=kafka.bootstrap,
        kafka_fetch_wait_ms=20,
        # Apache Kafka takes no less than six seconds; the embedded broker holds a new group back for half of it.
        kafka_session_timeout_ms=6_000 if kafka.idempotence else 2_000,
    )
    stopped, whole = asyncio.Event(), asyncio.Event()
    seen: list[bytes | None] = []
    broken = True

    async def handle(records: list[Record]) -> int:
        if broken:
            async with issuer_pool.acquire() as connection, connection.transaction():
                await put_aside(connection, [Refused(record, "a bad deploy") for record in records])
            return len(records)
        seen.extend(record.value for record in records)
        if len(seen) + put >= RECORDS:
            whole.set()
        return 0

    async def sleep(_: float) -> None:
        stopped.set()
        await asyncio.Event().wait()

    flood = FloodLimit(topic, PER_MINUTE, sleep=sleep)
    subscription = Subscription(topic, f"g-{topic}", 500)
    consuming = asyncio.create_task(consume_batches(settings, subscription, handle, flood))
    await until(stopped)
    count = "SELECT count(*) FROM magiclink.dead_letters WHERE topic = $1"
    put = await owner.fetchval(count, topic)
    assert 0 < put <= 2 * PER_MINUTE, f"{put} of {RECORDS} put aside"
    with pytest.raises(DeadLetterFlood):
        await flood.check()
    consuming.cancel()
    await asyncio.wait([consuming])

    # The deploy is mended: a new process reads on where the old one stood.
    broken = False
    consuming = asyncio.create_task(consume_batches(settings, subscription, handle))
    await until(whole)
    consuming.cancel()
    await asyncio.wait([consuming])
    assert len(seen) == RECORDS - put
    assert await owner.fetchval(count, topic) == put
