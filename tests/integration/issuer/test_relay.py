"""The relay: due rows reach Kafka once, wake-ups are quick, replicas share, outages lose nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from services.dev.postgres import Postgres
from services.issuer.relay import LaneRelay
from services.issuer.wakeup import listen_for_bell
from shared import outbox
from shared.database import Pool
from shared.outbox import RELAY_LANES, WAKE_CHANNEL, OutboxBell, OutboxRow
from shared.settings import KafkaSettings
from tests.backends import Kafka, new_topic


@pytest.fixture(autouse=True)
async def empty_outbox(owner: asyncpg.Connection) -> None:
    """Other tests write outbox rows and run no relay."""
    await owner.execute("DELETE FROM magiclink.outbox")


def settings_of(kafka: Kafka) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap=kafka.bootstrap, kafka_idempotence=kafka.idempotence)


@asynccontextmanager
async def relaying(pool: Pool, kafka: Kafka, lane: str, count: int = 1) -> AsyncIterator[list[LaneRelay]]:
    relays = [LaneRelay(lane, pool, settings_of(kafka)) for _ in range(count)]
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    yield relays
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def write(
    pool: Pool, topic: str, numbers: range, lane: str = "events", due_at: datetime | None = None
) -> None:
    rows = [OutboxRow(lane, topic, "key", str(n).encode(), due_at, {"x-request-id": "r"}) for n in numbers]
    async with pool.acquire() as connection, connection.transaction():
        await outbox.append(connection, rows)


@asynccontextmanager
async def reading(kafka: Kafka, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    yield consumer
    await consumer.stop()


async def take(consumer: AIOKafkaConsumer, count: int, seconds: float = 15) -> list[bytes]:
    found: list[bytes] = []
    deadline = monotonic() + seconds
    while len(found) < count and monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += [record.value or b"" for record in records]
    return found


async def until_empty(owner: asyncpg.Connection) -> None:
    # A reader may see a record before the relay has deleted its row.
    for _ in range(100):
        if await owner.fetchval("SELECT count(*) FROM magiclink.outbox") == 0:
            return
        await asyncio.sleep(0.1)
    pytest.fail("rows stay in the outbox")


async def test_rows_reach_the_topic_and_leave_the_outbox(
    issuer_pool: Pool, topics: Kafka, owner: asyncpg.Connection
) -> None:
    topic = await new_topic(topics)
    await write(issuer_pool, topic, range(1200))
    async with relaying(issuer_pool, topics, "events"), reading(topics, topic) as consumer:
        found = await take(consumer, 1200)
        await until_empty(owner)
    assert sorted(map(int, found)) == list(range(1200))


async def test_three_replicas_relay_every_row_once(issuer_pool: Pool, topics: Kafka) -> None:
    topic = await new_topic(topics)
    await write(issuer_pool, topic, range(3000))
    async with relaying(issuer_pool, topics, "events", count=3), reading(topics, topic) as consumer:
        found = await take(consumer, 3000)
        found += await take(consumer, 1, seconds=1)
    assert sorted(map(int, found)) == list(range(3000))


async def test_a_row_waits_until_it_is_due_and_then_goes_without_a_wake_up(
    issuer_pool: Pool, topics: Kafka
) -> None:
    topic = await new_topic(topics)
    due_at = datetime.now(UTC) + timedelta(seconds=2)
    async with relaying(issuer_pool, topics, "bulk"), reading(topics, topic) as consumer:
        await write(issuer_pool, topic, range(1), "bulk", due_at)
        assert await take(consumer, 1, seconds=1) == []
        assert await take(consumer, 1) == [b"0"]
    assert datetime.now(UTC) >= due_at


async def test_a_row_that_comes_to_light_long_after_it_was_due_goes_within_moments(
    issuer_pool: Pool, topics: Kafka
) -> None:
    topic = await new_topic(topics)
    async with relaying(issuer_pool, topics, "events") as relays, reading(topics, topic) as consumer:
        await write(issuer_pool, topic, range(3))
        relays[0].wake()
        assert len(await take(consumer, 3)) == 3
        await write(issuer_pool, topic, range(3, 4), due_at=datetime.now(UTC) - timedelta(days=1))
        relays[0].wake()
        assert await take(consumer, 1, seconds=4) == [b"3"]


async def test_what_the_broker_does_not_take_stays_in_the_outbox(
    issuer_pool: Pool, topics: Kafka, owner: asyncpg.Connection
) -> None:
    await write(issuer_pool, "magiclink.no topic is called so", range(3))
    async with relaying(issuer_pool, topics, "events"):
        await asyncio.sleep(1)
    assert await owner.fetchval("SELECT count(*) FROM magiclink.outbox") == 3
    assert len(await owner.fetch("SELECT id FROM magiclink.outbox FOR UPDATE NOWAIT")) == 3


async def test_a_lane_with_a_broken_neighbour_goes_on(issuer_pool: Pool, topics: Kafka) -> None:
    topic = await new_topic(topics)
    await write(issuer_pool, topic, range(5000), "bulk")
    async with relaying(issuer_pool, topics, "interactive") as relays, reading(topics, topic) as consumer:
        await write(issuer_pool, topic, range(1), "interactive")
        relays[0].wake()
        assert await take(consumer, 1) == [b"0"]


async def test_the_bell_of_another_process_wakes_the_relays_of_its_lanes_before_their_poll(
    issuer_pool: Pool, database_server: Postgres, topics: Kafka
) -> None:
    woken: asyncio.Queue[set[str]] = asyncio.Queue()
    task = asyncio.create_task(
        listen_for_bell(database_server.url("issuer", "magiclink"), lambda lanes: woken.put_nowait({*lanes}))
    )
    assert await asyncio.wait_for(woken.get(), 5) == {*RELAY_LANES}  # once when it begins to listen
    bell = OutboxBell(issuer_pool)
    for lanes in (("events",), ("bulk", "interactive"), ()):
        bell.ring(*lanes)
        # The poll comes after a second.
        assert await asyncio.wait_for(woken.get(), 0.9) == {*(lanes or RELAY_LANES)}
    for payload in ("", "of another release"):
        await issuer_pool.execute("SELECT pg_notify($1, $2)", WAKE_CHANNEL, payload)
        assert await asyncio.wait_for(woken.get(), 0.9) == {*RELAY_LANES}
    task.cancel()
    await asyncio.wait([task])
    await bell.close()


async def test_a_dead_broker_loses_nothing_and_holds_no_locks(
    issuer_pool: Pool, own_kafka: Kafka, owner: asyncpg.Connection
) -> None:
    topic = await new_topic(own_kafka)
    async with relaying(issuer_pool, own_kafka, "events") as relays:
        await write(issuer_pool, topic, range(10))
        relays[0].wake()
        async with reading(own_kafka, topic) as consumer:
            assert len(await take(consumer, 10)) == 10
        await until_empty(owner)  # a reader sees records before the relay has their acknowledgement
        await own_kafka.kill()
        await write(issuer_pool, topic, range(10, 30))
        relays[0].wake()
        await asyncio.sleep(7)  # past the longest a batch may be held
        async with owner.transaction():
            rows = await owner.fetch("SELECT id FROM magiclink.outbox FOR UPDATE SKIP LOCKED")
        assert len(rows) == 20
        await own_kafka.start()
        async with reading(own_kafka, topic) as consumer:
            found = await take(consumer, 20, seconds=30)
        assert {int(value) for value in found} >= set(range(10, 30))
        await until_empty(owner)
