"""`deliver`: leases, fences, retries, what is written down. Channels are stand-ins; the database is real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiokafka import ConsumerRecord

from services.notifier.channels import Channel, Outgoing
from services.notifier.deliver import Deliver, LinkMaker, Sending
from services.notifier.intake import LaneIntake
from services.notifier.outcomes import Delivered, Outcome, TryLater, Undeliverable, Unknown
from services.notifier.render import BUILT_IN, Templates
from services.notifier.retry import RetryRules
from shared.bus import Event, encode_event
from shared.consumer import Record
from shared.database import Pool
from shared.messages import QUEUED
from shared.outbox import OutboxBell
from shared.tokens import make_passcode, new_link_id
from tests.seeds import PUBLIC_URL, RINGS, SeededLink, Seeds, one_row

RULES = RetryRules(
    base_seconds=2, cap_seconds=300, queue_lease_seconds=60, callback_wait_seconds=300, jitter=lambda: 1.0
)
TEMPLATES = Templates([BUILT_IN])


class Stand(Channel):
    """Remembers what it was given and answers as told."""

    def __init__(self, answer: Callable[[Outgoing], Outcome] | None = None) -> None:
        self.sent: list[Outgoing] = []
        self.answer = answer or (lambda m: Delivered("stand", str(m.message_id), "250 taken"))
        self.gate: asyncio.Event | None = None

    async def send(self, message: Outgoing) -> Outcome:
        self.sent.append(message)
        if self.gate is not None:
            await self.gate.wait()
        return self.answer(message)

    async def close(self) -> None:
        return None


class House:
    """A notifier's lane over a stand-in channel."""

    def __init__(self, pool: Pool, channel: Stand, concurrency: int = 8, lease_seconds: float = 60) -> None:
        channels: dict[str, Channel] = {"email": channel, "sms": channel}
        links = LinkMaker(RINGS["notifier"], PUBLIC_URL)
        self.bell = OutboxBell(pool)
        self.deliver = Deliver(pool, self.bell, Sending(channels, TEMPLATES, links), RULES)
        self.lane = LaneIntake(pool, self.deliver, concurrency=concurrency, lease_seconds=lease_seconds)

    async def handle(self, *records: Record) -> None:
        await self.lane.handle(list(records))
        await self.lane.drain()


@pytest.fixture
async def houses(notifier_pool: Pool) -> AsyncIterator[Callable[..., House]]:
    made: list[House] = []

    def make(channel: Stand, **options: Any) -> House:
        made.append(House(notifier_pool, channel, **options))
        return made[-1]

    yield make
    for house in made:
        await house.lane.drain()
        await house.deliver.close()
        await house.bell.close()


@pytest.fixture(autouse=True)
async def empty_outbox(owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM magiclink.outbox")


async def queued(
    seeds: Seeds, channel: str = "email", link: SeededLink | None = None, **columns: Any
) -> UUID:
    app = await seeds.app(name="Example Shop")
    link = link or await seeds.link(app, **columns)
    message_id = new_link_id()
    await seeds.connection.execute(
        "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status, lease_until,"
        " created_at) VALUES ($1, $2, $3, $4, $5, 'ann@example.com', 'en', 'interactive', 'queued',"
        " now() + interval '1 minute', now())",
        message_id, link.id, app.id, link.user_id, channel,
    )  # fmt: skip
    return message_id


def record(message_id: UUID | str, attempts: Any = 0, topic: str = "deliveries") -> Record:
    value = encode_event(Event(QUEUED, "e", "/t", "s", {"message_id": str(message_id), "attempts": attempts}))
    return raw(value, topic)


def raw(value: bytes, topic: str, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return ConsumerRecord(
        topic=topic, partition=0, offset=3, timestamp=0, timestamp_type=0, key=b"k", value=value, checksum=None,
        serialized_key_size=1, serialized_value_size=1, headers=headers,
    )  # fmt: skip


async def row_of(owner: asyncpg.Connection, message_id: UUID) -> asyncpg.Record:
    return await one_row(owner, "SELECT * FROM magiclink.messages WHERE id = $1", message_id)


async def events(owner: asyncpg.Connection) -> list[tuple[str, str, bool]]:
    rows = await owner.fetch(
        "SELECT lane, value, due_at > now() + interval '1 second' AS later FROM magiclink.outbox ORDER BY id"
    )
    return [(row["lane"], orjson.loads(row["value"])["type"], row["later"]) for row in rows]


async def test_a_message_is_sent_with_its_link_and_passcode_and_written_down(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app(name="Example Shop")
    link = await seeds.link(app, passcode_format="digits:6")
    message_id = await queued(seeds, link=link)
    channel = Stand()
    await houses(channel).handle(record(message_id))
    (sent,) = channel.sent
    assert f"{PUBLIC_URL}/l/{link.token}" in sent.content.text
    assert make_passcode(RINGS["issuer"], link.ref, 0, "digits:6") in sent.content.text.replace(" ", "")
    assert (sent.to, sent.attempt) == ("ann@example.com", 1)
    row = await row_of(owner, message_id)
    assert (row["status"], row["provider"], row["provider_id"]) == ("accepted", "stand", str(message_id))
    assert row["accepted_at"] is not None
    assert row["lease_until"] is None
    attempt = await one_row(
        owner, "SELECT * FROM magiclink.message_attempts WHERE message_id = $1", message_id
    )
    assert (attempt["attempt"], attempt["outcome"], attempt["detail"]) == (1, "accepted", "250 taken")
    assert await events(owner) == [("events", "magiclink.message.accepted.v1", False)]
    assert "ann@" not in str(await owner.fetch("SELECT convert_from(value, 'UTF8') FROM magiclink.outbox"))


async def test_the_request_id_travels_from_the_record_to_the_event(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    value = record(await queued(seeds)).value or b""
    await houses(Stand()).handle(raw(value, "deliveries", (("x-request-id", b"req-7"),)))
    headers = await owner.fetchval("SELECT headers FROM magiclink.outbox")
    assert orjson.loads(headers) == {"x-request-id": "req-7"}


async def test_redelivery_rebalance_and_replicas_send_once(
    houses: Callable[..., House], seeds: Seeds
) -> None:
    ids = [await queued(seeds) for _ in range(20)]
    channel = Stand()
    records = [record(message_id) for message_id in ids]
    replicas = [houses(channel) for _ in range(3)]
    await asyncio.gather(*(house.handle(*records, *records) for house in replicas))
    await replicas[0].handle(*records)
    assert sorted(m.message_id for m in channel.sent) == sorted(ids)


async def test_a_passing_failure_is_tried_again_later_and_an_old_record_does_not_start_it_early(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await queued(seeds)
    channel = Stand(lambda _: TryLater("450 busy", 30.0))
    house = houses(channel)
    await house.handle(record(message_id))
    row = await row_of(owner, message_id)
    assert (row["status"], row["attempts"], row["last_error"]) == ("queued", 1, "450 busy")
    assert row["lease_until"] is not None
    assert await events(owner) == [("interactive", QUEUED, True)]
    due = await owner.fetchval("SELECT extract(epoch FROM due_at - now())::float8 FROM magiclink.outbox")
    assert 25 < due <= 31
    await house.handle(record(message_id))  # the first record again
    assert len(channel.sent) == 1
    channel.answer = lambda m: Delivered("stand", "1", "ok")
    await house.handle(record(message_id, attempts=1))
    assert (await row_of(owner, message_id))["status"] == "accepted"
    assert [m.attempt for m in channel.sent] == [1, 2]


async def test_a_final_failure_is_final(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await queued(seeds)
    await houses(Stand(lambda _: Undeliverable("550 no such user"))).handle(record(message_id))
    row = await row_of(owner, message_id)
    assert (row["status"], row["last_error"], row["lease_until"]) == ("failed", "550 no such user", None)
    assert await events(owner) == [("events", "magiclink.message.failed.v1", False)]


async def test_an_unknown_outcome_sends_an_email_again_and_lets_an_sms_wait_for_its_callback(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    mail, sms = await queued(seeds), await queued(seeds, channel="sms")
    await houses(Stand(lambda _: Unknown("connection lost"))).handle(record(mail), record(sms))
    assert (await row_of(owner, mail))["status"] == "queued"
    row = await row_of(owner, sms)
    assert (row["status"], row["lease_until"] is not None) == ("unknown", True)
    assert [(lane, later) for lane, _, later in await events(owner)] == [("interactive", True)]


async def test_retries_end_with_the_links_life(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await queued(seeds, lives_seconds=20)
    await houses(Stand(lambda _: TryLater("450 busy", 60.0))).handle(record(message_id))
    assert (await row_of(owner, message_id))["status"] == "expired"
    assert await events(owner) == [("events", "magiclink.message.expired.v1", False)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("revoked_at = now()", "revoked"),
        ("consumed_at = now()", "revoked"),
        ("expires_at = now()", "expired"),
    ],
)
async def test_a_link_that_is_over_is_not_sent(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection, change: str, status: str
) -> None:
    message_id = await queued(seeds)
    await owner.execute(
        f"UPDATE magiclink.links SET {change} WHERE id = (SELECT link_id FROM magiclink.messages WHERE id = $1)",
        message_id,
    )
    channel = Stand()
    await houses(channel).handle(record(message_id))
    assert channel.sent == []
    assert (await row_of(owner, message_id))["status"] == status


@pytest.mark.parametrize("status", ["sending", "unknown", "accepted", "failed", "revoked"])
async def test_only_a_queued_message_is_claimed(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection, status: str
) -> None:
    message_id = await queued(seeds)
    await owner.execute("UPDATE magiclink.messages SET status = $2 WHERE id = $1", message_id, status)
    channel = Stand()
    await houses(channel).handle(record(message_id))
    assert channel.sent == []
    assert (await row_of(owner, message_id))["status"] == status


async def test_no_record_starts_a_scheduled_send_before_its_time(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await queued(seeds, starts_in_seconds=60)
    channel = Stand()
    house = houses(channel)
    await house.handle(record(message_id))
    assert channel.sent == []
    await owner.execute(
        "UPDATE magiclink.links SET not_before = now()"
        " WHERE id = (SELECT link_id FROM magiclink.messages WHERE id = $1)",
        message_id,
    )
    await house.handle(record(message_id))
    assert len(channel.sent) == 1


async def test_a_worker_paused_past_its_lease_changes_nothing(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    message_id = await queued(seeds)
    slow, quick = Stand(), Stand()
    slow.gate = asyncio.Event()
    slow.answer = lambda _: Undeliverable("550 too late to say")
    paused = houses(slow)
    await paused.lane.handle([record(message_id)])
    while not slow.sent:
        await asyncio.sleep(0.01)
    # The sweeper gave the message to another worker.
    await owner.execute("UPDATE magiclink.messages SET status = 'queued' WHERE id = $1", message_id)
    await houses(quick).handle(record(message_id, attempts=1))
    slow.gate.set()
    await paused.lane.drain()
    assert (await row_of(owner, message_id))["status"] == "accepted"
    assert [kind for _, kind, _ in await events(owner)] == ["magiclink.message.accepted.v1"]


async def test_no_more_is_claimed_than_there_is_room_for(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    ids = [await queued(seeds) for _ in range(6)]
    channel = Stand()
    channel.gate = asyncio.Event()
    house = houses(channel, concurrency=2)
    handling = asyncio.create_task(house.lane.handle([record(i) for i in ids]))
    await asyncio.sleep(0.3)
    count = await owner.fetchval(
        "SELECT count(*) FROM magiclink.messages WHERE id = ANY ($1) AND status = 'sending'", ids
    )
    assert (count, len(channel.sent), handling.done()) == (2, 2, False)
    channel.gate.set()
    await handling
    await house.lane.drain()
    assert len(channel.sent) == 6


async def test_an_unexpected_failure_is_seen_and_not_skipped(
    houses: Callable[..., House], seeds: Seeds
) -> None:
    def break_down(_: Outgoing) -> Outcome:
        raise ZeroDivisionError

    message_id = await queued(seeds)
    house = houses(Stand(break_down))
    await house.handle(record(message_id))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(house.lane.watch(), 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"no json", "not JSON"),
        (encode_event(Event("other", "e", "/t", "s", {})), "type: expected"),
        (encode_event(Event(QUEUED, "e", "/t", "s", {"message_id": "x", "attempts": 0})), "message_id"),
        (
            encode_event(Event(QUEUED, "e", "/t", "s", {"message_id": str(uuid4()), "attempts": True})),
            "attempts",
        ),
    ],
)
async def test_what_cannot_be_read_is_put_aside_and_the_rest_is_sent(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection, value: bytes, reason: str
) -> None:
    message_id, topic, channel = await queued(seeds), f"deliveries-{uuid4()}", Stand()
    await houses(channel).handle(raw(value, topic), record(message_id))
    assert len(channel.sent) == 1
    row = await one_row(owner, "SELECT reason FROM magiclink.dead_letters WHERE topic = $1", topic)
    assert reason in row["reason"]


async def test_a_template_that_does_not_exist_fails_the_message_and_no_other(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    bad, good = await queued(seeds), await queued(seeds)
    await owner.execute("UPDATE magiclink.messages SET template = 'nowhere' WHERE id = $1", bad)
    await houses(Stand()).handle(record(bad), record(good))
    assert (await row_of(owner, bad))["status"] == "failed"
    assert (await row_of(owner, good))["status"] == "accepted"


async def test_a_message_whose_key_is_not_in_the_ring_waits_and_stops_no_other(
    houses: Callable[..., House], seeds: Seeds, owner: asyncpg.Connection
) -> None:
    # After `keys drop --force` on a key that leaked, or on a replica that was not rolled out yet.
    message_id, other = await queued(seeds), await queued(seeds)
    await owner.execute(
        "UPDATE magiclink.links SET kid = 'x' WHERE id = (SELECT link_id FROM magiclink.messages WHERE id = $1)",
        message_id,
    )
    channel = Stand()
    house = houses(channel)
    await house.handle(record(message_id), record(other))
    watching = asyncio.create_task(house.lane.watch())
    assert not (await asyncio.wait([watching], timeout=0.05))[0], "the service would stop"
    watching.cancel()
    assert [sent.message_id for sent in channel.sent] == [other]
    row = await row_of(owner, message_id)
    assert (row["status"], row["last_error"]) == ("queued", "the key ring holds no key x")
