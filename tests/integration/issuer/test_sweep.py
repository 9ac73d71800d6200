"""The sweeper: what outlived its lease is queued again, what lag explains is left alone."""

import asyncio
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson
import pytest
from aiokafka.errors import NodeNotReadyError

from services.issuer.housekeeping import Keeping
from services.issuer.lag import LaneLag
from services.issuer.sweep import Sweeper, SweepRules
from shared.database import Pool
from shared.outbox import OutboxBell
from shared.settings import KafkaSettings
from shared.tokens import new_link_id
from tests.backends import Kafka
from tests.seeds import Seeds, one_row

RULES = SweepRules(
    every_seconds=1, batch=10, queue_lease_seconds=60, callback_wait_seconds=300, keeping=Keeping(100)
)


class StubLag(LaneLag):
    """Answers what a test says."""

    def __init__(self, *, has_read: bool) -> None:
        self.has_read = has_read

    async def has_read_past(self, lane: str, moment: datetime) -> bool:
        return self.has_read


@pytest.fixture(autouse=True)
async def alone(owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM magiclink.outbox; UPDATE magiclink.messages SET lease_until = NULL")


async def message(
    seeds: Seeds, status: str, *, channel: str = "email", lease_seconds: float = -1, lane: str = "interactive"
) -> UUID:
    app = await seeds.app()
    link = await seeds.link(app)
    message_id = new_link_id()
    await seeds.connection.execute(
        "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status, attempts,"
        " lease_until, created_at) VALUES ($1, $2, $3, $4, $5, 'x', 'en', $6, $7, 1, now() + make_interval(secs => $8), now())",
        message_id, link.id, app.id, link.user_id, channel, lane, status, lease_seconds,
    )  # fmt: skip
    return message_id


def sweeper(pool: Pool, *, has_read: bool = True) -> Sweeper:
    return Sweeper(pool, StubLag(has_read=has_read), OutboxBell(pool), RULES)


async def state(owner: asyncpg.Connection, message_id: UUID) -> tuple[str, int, bool]:
    row = await one_row(
        owner,
        "SELECT status, requeues, lease_until > now() AS leased FROM magiclink.messages WHERE id = $1",
        message_id,
    )
    return row["status"], row["requeues"], row["leased"]


async def events_of(owner: asyncpg.Connection, message_id: UUID) -> list[dict[str, object]]:
    rows = await owner.fetch("SELECT value FROM magiclink.outbox ORDER BY id")
    events = [orjson.loads(row["value"]) for row in rows]
    return [event for event in events if event["subject"] == str(message_id)]


@pytest.mark.parametrize("status", ["queued", "sending"])
async def test_an_email_past_its_lease_is_queued_again_for_the_same_attempt(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection, status: str
) -> None:
    message_id = await message(seeds, status)
    assert await sweeper(issuer_pool).requeue_late() == 1
    assert await state(owner, message_id) == ("queued", 1, True)
    (event,) = await events_of(owner, message_id)
    assert event["data"]["attempts"] == 1  # type: ignore[index]
    assert await sweeper(issuer_pool).requeue_late() == 0


async def test_an_sms_that_was_being_sent_waits_for_its_callback_first(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await message(seeds, "sending", channel="sms")
    assert await sweeper(issuer_pool).requeue_late() == 0
    assert await state(owner, message_id) == ("unknown", 1, True)
    assert await events_of(owner, message_id) == []
    await owner.execute("UPDATE magiclink.messages SET lease_until = now() WHERE id = $1", message_id)
    assert await sweeper(issuer_pool).requeue_late() == 1
    assert (await state(owner, message_id))[0] == "queued"


async def test_a_lane_whose_consumers_are_behind_is_left_alone_but_for_what_was_being_sent(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    queued, sending = await message(seeds, "queued"), await message(seeds, "sending")
    assert await sweeper(issuer_pool, has_read=False).requeue_late() == 1
    assert (await state(owner, queued))[1] == 0
    assert (await state(owner, sending))[1] == 1


@pytest.mark.parametrize(
    "failure", [NodeNotReadyError(), TimeoutError(), RuntimeError("… closed=True …; the handler is closed")]
)
async def test_a_broker_that_does_not_tell_the_lag_stops_nothing(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection, failure: Exception
) -> None:
    class Silent(StubLag):
        async def has_read_past(self, lane: str, moment: datetime) -> bool:
            raise failure

    queued, sending = await message(seeds, "queued"), await message(seeds, "sending")
    sweeper = Sweeper(issuer_pool, Silent(has_read=True), OutboxBell(issuer_pool), RULES)
    assert await sweeper.requeue_late() == 1
    assert ((await state(owner, queued))[1], (await state(owner, sending))[1]) == (0, 1)


async def test_messages_that_still_stand_in_the_outbox_are_not_queued_twice(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await message(seeds, "queued")
    await owner.execute(
        "INSERT INTO magiclink.outbox (lane, due_at, topic, key, value)"
        " VALUES ('interactive', now() - interval '1 hour', 't', 'k', '')"
    )
    assert await sweeper(issuer_pool).requeue_late() == 0
    assert (await state(owner, message_id))[1] == 0


async def test_what_is_within_its_lease_or_done_is_not_touched(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await message(seeds, "sending", lease_seconds=60)
    done = await message(seeds, "accepted")
    await owner.execute("UPDATE magiclink.messages SET lease_until = NULL WHERE id = $1", done)
    assert await sweeper(issuer_pool).requeue_late() == 0
    assert (await state(owner, message_id))[0] == "sending"


async def test_a_look_queues_at_most_its_batch(issuer_pool: Pool, seeds: Seeds) -> None:
    for _ in range(12):
        await message(seeds, "queued")
    assert await sweeper(issuer_pool).requeue_late() == 10
    assert await sweeper(issuer_pool).requeue_late() == 2


async def test_two_sweepers_queue_each_message_once(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    ids = [await message(seeds, "queued") for _ in range(8)]
    await asyncio.gather(*(sweeper(issuer_pool).requeue_late() for _ in range(4)))
    assert [(await state(owner, message_id))[1] for message_id in ids] == [1] * 8


async def test_house_keeping_drops_expired_keys_and_makes_partitions(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    await owner.execute(
        "INSERT INTO magiclink.idempotency_keys VALUES ($1, 's', 'old', '', '[]', now() - interval '1 s'),"
        " ($1, 's', 'new', '', '[]', now() + interval '1 h')",
        app.id,
    )
    last = "links_" + str(await owner.fetchval(
        "SELECT to_char((date_trunc('week', now() AT TIME ZONE 'UTC') + interval '8 weeks'), 'YYYYMMDD')"
    ))  # fmt: skip
    await owner.execute(f"DROP TABLE magiclink.{last}")
    await sweeper(issuer_pool).keep_house()
    keys = await owner.fetch("SELECT key FROM magiclink.idempotency_keys WHERE app_id = $1", app.id)
    assert [row["key"] for row in keys] == ["new"]
    assert await owner.fetchval("SELECT to_regclass($1)", f"magiclink.{last}") is not None


async def test_lag_is_read_from_the_notifiers_offsets(topics: Kafka) -> None:
    from datetime import UTC, timedelta

    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    from shared.bus import DELIVERIES, NOTIFIER_GROUPS

    lag = LaneLag(KafkaSettings(kafka_bootstrap=topics.bootstrap))
    now = datetime.now(UTC)
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap)
    await producer.start()
    sent = [await producer.send_and_wait(DELIVERIES["bulk"], b"x", key=str(n).encode()) for n in range(50)]
    await producer.stop()
    assert await lag.has_read_past("bulk", now - timedelta(minutes=1))
    assert not await lag.has_read_past("bulk", now + timedelta(minutes=1))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=topics.bootstrap, group_id=NOTIFIER_GROUPS["bulk"], enable_auto_commit=False
    )
    await consumer.start()
    partitions = {TopicPartition(DELIVERIES["bulk"], record.partition) for record in sent}
    consumer.assign(partitions)
    await consumer.commit(
        {at: max(r.offset for r in sent if r.partition == at.partition) + 1 for at in partitions}
    )
    await consumer.stop()
    assert await lag.has_read_past("bulk", now + timedelta(minutes=1))
