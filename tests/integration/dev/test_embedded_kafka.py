"""Both brokers, of one shape: topics, records, a kill. Which one runs is decided by MAGICLINK_DEV_KAFKA_JARS."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from services.dev.problems import DevProblem
from services.dev.topics import create_topics
from tests.backends import Kafka

TOPICS = {"dev.many": 6, "dev.one": 1}


def connection(broker: Kafka) -> dict[str, str]:
    return {"bootstrap_servers": broker.bootstrap}


async def partitions(broker: Kafka) -> dict[str, int]:
    admin = AIOKafkaAdminClient(**connection(broker))
    await admin.start()
    described = await admin.describe_topics(list(TOPICS))
    await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def produce(broker: Kafka, count: int) -> None:
    producer = AIOKafkaProducer(
        **connection(broker), enable_idempotence=broker.idempotence, acks="all", request_timeout_ms=10_000
    )
    await producer.start()
    async with asyncio.timeout(20):
        for number in range(count):
            await producer.send_and_wait("dev.many", str(number).encode())
    await producer.stop()


async def count_records(broker: Kafka, expected: int) -> int:
    consumer = AIOKafkaConsumer(
        "dev.many", **connection(broker), auto_offset_reset="earliest", group_id="dev-counts"
    )
    await consumer.start()
    found = 0
    try:
        async with asyncio.timeout(30):
            while found < expected:
                found += sum(map(len, (await consumer.getmany(timeout_ms=500)).values()))
    finally:
        await consumer.stop()
    return found


async def test_topics_are_made_once_with_their_partitions(own_kafka: Kafka) -> None:
    await create_topics(connection(own_kafka), TOPICS)
    await create_topics(connection(own_kafka), TOPICS)
    assert await partitions(own_kafka) == TOPICS


async def test_records_are_read_by_a_group(own_kafka: Kafka) -> None:
    await create_topics(connection(own_kafka), TOPICS)
    await produce(own_kafka, 20)
    assert await count_records(own_kafka, 20) == 20


async def test_a_killed_broker_starts_again_and_says_truly_whether_it_keeps_data(own_kafka: Kafka) -> None:
    await create_topics(connection(own_kafka), TOPICS)
    await produce(own_kafka, 5)
    await own_kafka.kill()
    assert not own_kafka.running
    await own_kafka.start()
    await create_topics(connection(own_kafka), TOPICS)
    await produce(own_kafka, 5)
    kept = 5 if own_kafka.keeps_data else 0
    assert await count_records(own_kafka, 5 + kept) == 5 + kept


async def test_a_broker_that_is_away_is_named(own_kafka: Kafka) -> None:
    await own_kafka.stop()
    with pytest.raises(DevProblem, match=f"no topics could be made on Kafka at {own_kafka.bootstrap}"):
        await create_topics(connection(own_kafka), TOPICS, timeout_seconds=0.5)
