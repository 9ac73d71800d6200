"""Link requests from Kafka: exactly one link an event, dead letters with reasons, offsets after the transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from services.issuer.intake import EVENT_TYPE, Intake
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.store import SQL, IssuerStore
from shared.bus import Event, encode_event
from shared.cache import Cache
from shared.consumer import Record, Subscription, consume_batches
from shared.database import Pool
from shared.settings import KafkaSettings
from tests.backends import Kafka, new_topic
from tests.seeds import RINGS, SeededApp, Seeds, one_row

SOURCE = "/tests/intake"


@pytest.fixture
def intake(issuer_pool: Pool, cache: Cache, issue: Issue) -> Intake:
    apps = Apps(issuer_pool, SQL, allow_http=True)
    return Intake(issue, apps, Lanes(cache), IssuerStore(issuer_pool, 60), RINGS["issuer"])


def requested(app: SeededApp, event_id: str, **data: Any) -> bytes:
    body = {"app_id": str(app.id), "email": "ann@example.com", "channel": "email", **data}
    return encode_event(Event(EVENT_TYPE, event_id, SOURCE, "", body))


def record(value: bytes | None, offset: int = 0, topic: str = "requests") -> Record:
    return ConsumerRecord(
        topic=topic, partition=0, offset=offset, timestamp=0, timestamp_type=0, key=b"k", value=value,
        checksum=None, serialized_key_size=1, serialized_value_size=1, headers=(("x-request-id", b"req-1"),),
    )  # fmt: skip


async def links_of(owner: asyncpg.Connection, app: SeededApp) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", app.id))


async def test_an_event_gives_one_link_however_often_it_comes(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    event = record(requested(app, "e1"))
    await intake.handle([event, event])
    await intake.handle([event])
    await asyncio.gather(*(intake.handle([event]) for _ in range(5)))
    assert await links_of(owner, app) == 1
    assert await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE app_id = $1", app.id) == 1


async def test_the_request_id_travels_from_the_record_to_the_delivery(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    await intake.handle([record(requested(app, "e1"))])
    row = await one_row(
        owner,
        "SELECT o.headers FROM magiclink.outbox o JOIN magiclink.messages m ON m.user_id::text = o.key "
        "WHERE m.app_id = $1 AND o.lane = 'bulk'",
        app.id,
    )
    assert orjson.loads(row["headers"]) == {"x-request-id": "req-1"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"specversion":"1.0","id":"1","source":"/x","type":"other","data":{}}', "type: expected"),
        (b'{"specversion":"1.0","source":"/x","type":"other","data":{}}', "id"),
    ],
)
async def test_what_cannot_be_decoded_is_put_aside_with_the_reason(
    intake: Intake, owner: asyncpg.Connection, value: bytes | None, reason: str
) -> None:
    topic = f"requests-{uuid4()}"
    await intake.handle([record(value, offset=7, topic=topic)])
    row = await one_row(owner, "SELECT * FROM magiclink.dead_letters WHERE topic = $1", topic)
    assert reason in row["reason"]
    assert (row["offset"], row["value"]) == (7, value)
    sent = await one_row(owner, "SELECT * FROM magiclink.outbox WHERE topic = $1", f"{topic}.dlq")
    headers = orjson.loads(sent["headers"])
    assert (headers["dlq-topic"], headers["dlq-partition"], headers["dlq-offset"]) == (topic, "0", "7")
    assert reason in headers["dlq-reason"]
    assert sent["value"] == (value or b"")


async def test_what_is_refused_is_put_aside_with_the_rule_and_the_rest_is_issued(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    closed = await seeds.app(intake=False)
    topic = f"requests-{uuid4()}"
    old = Event(
        EVENT_TYPE, "old", SOURCE, "", {"app_id": str(app.id)}, datetime.now(UTC) - timedelta(days=31)
    )
    await intake.handle(
        [
            record(requested(app, "good-1"), 0, topic),
            record(requested(app, "channel", channel="none"), 1, topic),
            record(requested(app, "redirect", redirect_url="https://evil.example/"), 2, topic),
            record(requested(closed, "closed"), 3, topic),
            record(requested(app, "sms", channel="sms"), 4, topic),
            record(encode_event(old), 5, topic),
            record(requested(app, "good-2"), 6, topic),
        ]
    )
    assert await links_of(owner, app) == 2
    rows = await owner.fetch('SELECT "offset", reason FROM magiclink.dead_letters WHERE topic = $1', topic)
    reasons = {row["offset"]: row["reason"] for row in rows}
    assert set(reasons) == {1, 2, 3, 4, 5}
    expected = {1: "data.channel", 2: "redirect_url", 3: "intake is off", 4: "phone number", 5: "older than"}
    assert all(words in reasons[offset] for offset, words in expected.items()), reasons


async def test_the_same_id_with_another_body_is_a_dead_letter(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    topic = f"requests-{uuid4()}"
    await intake.handle([record(requested(app, "e1"), 0, topic)])
    await intake.handle([record(requested(app, "e1", email="bob@example.com"), 1, topic)])
    row = await one_row(owner, "SELECT reason FROM magiclink.dead_letters WHERE topic = $1", topic)
    assert "idempotency_conflict" in row["reason"]
    assert await links_of(owner, app) == 1


@asynccontextmanager
async def consuming(kafka: Kafka, topic: str, group: str, intake: Intake) -> AsyncIterator[None]:
    settings = KafkaSettings(
        kafka_bootstrap=kafka.bootstrap,
        kafka_fetch_wait_ms=20,
        kafka_session_timeout_ms=6_000 if kafka.idempotence else 2_000,
    )
    task = asyncio.create_task(consume_batches(settings, Subscription(topic, group, 100), intake.handle))
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_records_of_a_real_topic_are_taken_once_over_a_restart_of_the_consumer(
    topics: Kafka, intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    topic, group = await new_topic(topics), f"group-{uuid4()}"
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap, acks="all")
    await producer.start()
    for number in range(60):
        await producer.send_and_wait(topic, requested(app, f"e{number % 30}"), key=str(number).encode())
    for _ in range(2):
        async with consuming(topics, topic, group, intake):
            await until_stable(owner, app, 30)
    await producer.send_and_wait(topic, requested(app, "last"))
    await producer.stop()
    async with consuming(topics, topic, group, intake):
        await until_stable(owner, app, 31)


async def until_stable(owner: asyncpg.Connection, app: SeededApp, expected: int) -> None:
    for _ in range(300):
        if await links_of(owner, app) == expected:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.3)  # anything too much would come now
    assert await links_of(owner, app) == expected
