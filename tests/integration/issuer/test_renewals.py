"""Renewals: exactly one new link of each expired one, to its rightful recipient, and nothing for anybody else."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.renew import EVENT_TYPE, Renewals
from services.issuer.store import SQL, IssuerStore
from services.issuer.text_limits import TextLimits
from shared.bus import Event, encode_event
from shared.cache import Cache
from shared.consumer import Record, Subscription, consume_batches
from shared.database import Pool
from shared.errors import Unavailable
from shared.outbox import OutboxBell
from shared.settings import KafkaSettings
from shared.tokens import new_link_id
from tests.backends import Kafka, new_topic
from tests.seeds import RINGS, SeededApp, SeededLink, Seeds, one_row


@pytest.fixture
def renewals(issuer_pool: Pool, cache: Cache, issue: Issue) -> Renewals:
    apps = Apps(issuer_pool, SQL, allow_http=True)
    return Renewals(issue, apps, Lanes(cache), IssuerStore(issuer_pool, 60), RINGS["issuer"])


@dataclass(frozen=True)
class Expired:
    """An expired link that was sent."""

    app: SeededApp
    link: SeededLink

    def event(self, **data: Any) -> bytes:
        facts = {"link_id": self.link.id, "app_id": self.app.id, "user_id": self.link.user_id, **data}
        named = {name: str(value) for name, value in facts.items()}
        link_id = named["link_id"]
        return encode_event(Event(EVENT_TYPE, f"{link_id}.renewal", "/verifier", link_id, named))


async def expired(
    seeds: Seeds, *, app: SeededApp | None = None, message: dict[str, Any] | None = None, **columns: Any
) -> Expired:
    app = app or await seeds.app()
    columns = {"lives_seconds": -1, "channel": "email", **columns}
    link = await seeds.link(app, **columns)
    told = {
        "channel": "email",
        "recipient": "ann@example.com",
        "template": None,
        "data": "{}",
        **(message or {}),
    }
    await seeds.connection.execute(
        "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, template, data, lane, status,"
        " created_at) VALUES ($1, $2, $3, $4, $5, $6, 'en', $7, $8, 'bulk', 'accepted', now())",
        new_link_id(), link.id, app.id, link.user_id, told["channel"], told["recipient"], told["template"], told["data"],
    )  # fmt: skip
    return Expired(app, link)


def record(value: bytes | None, offset: int = 0, topic: str = "renewals") -> Record:
    return ConsumerRecord(
        topic=topic, partition=0, offset=offset, timestamp=0, timestamp_type=0, key=b"k", value=value,
        checksum=None, serialized_key_size=1, serialized_value_size=1, headers=(("x-request-id", b"req-1"),),
    )  # fmt: skip


async def made_of(owner: asyncpg.Connection, old: Expired) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT * FROM magiclink.links WHERE app_id = $1 AND renewed_from = $2", old.app.id, old.link.id
    )


async def test_the_new_link_is_the_old_one_of_today(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old = await expired(
        seeds, type="invite", ttl_seconds=600, state='{"b":1,"a":2}', metadata='{"k": "v"}', locale="de",
        time_zone="Europe/Berlin", code_challenge="c" * 43, slot="team", passcode_format="digits:6", lane="bulk",
        message={"template": "welcome", "data": '{"name": "Ann"}'},
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO magiclink.heads VALUES ($1, $2, 'invite', 'team', $3)",
        old.app.id, old.link.user_id, old.link.id,
    )  # fmt: skip
    assert await renewals.handle([record(old.event())]) == 0
    (new,) = await made_of(owner, old)
    before = await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", old.link.id)
    same = (
        "app_id", "user_id", "type", "redirect_url", "state", "metadata", "locale", "time_zone", "code_challenge", "slot",
        "ttl_seconds", "channel", "binding",
    )  # fmt: skip
    assert {name: new[name] for name in same} == {name: before[name] for name in same}
    assert (new["passcode_format"], new["lane"], new["consumed_at"]) == ("digits:6", "interactive", None)
    assert new["expires_at"] > before["expires_at"]
    message = await one_row(owner, "SELECT * FROM magiclink.messages WHERE link_id = $1", new["id"])
    assert (message["recipient"], message["template"], orjson.loads(message["data"]), message["status"]) == (
        "ann@example.com", "welcome", {"name": "Ann"}, "queued",
    )  # fmt: skip
    head = await owner.fetchval("SELECT link_id FROM magiclink.heads WHERE app_id = $1", old.app.id)
    assert head == new["id"]


async def test_one_link_comes_of_it_however_often_it_is_asked_for(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old = await expired(seeds)
    await renewals.handle([record(old.event()), record(old.event(), 1)])
    await asyncio.gather(*(renewals.handle([record(old.event())]) for _ in range(8)))
    assert len(await made_of(owner, old)) == 1
    sent = "SELECT count(*) FROM magiclink.messages WHERE app_id = $1"
    assert await owner.fetchval(sent, old.app.id) == 2  # the old one's, and one more


@pytest.mark.parametrize(
    "change",
    ["expires_at = now() + interval '1 minute'", "consumed_at = now() - interval '1 hour'", "revoked_at = now()",
     "slot = 'default'"],
)  # fmt: skip
async def test_a_link_that_did_not_just_expire_is_not_renewed(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection, change: str
) -> None:
    old = await expired(seeds)
    await owner.execute(f"UPDATE magiclink.links SET {change} WHERE id = $1", old.link.id)
    assert await renewals.handle([record(old.event())]) == 0
    assert await made_of(owner, old) == []


async def test_a_link_that_was_never_sent_is_not_renewed(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    old = Expired(app, await seeds.link(app, lives_seconds=-1))
    assert await renewals.handle([record(old.event())]) == 0
    assert await made_of(owner, old) == []


@pytest.mark.parametrize(
    "change",
    ["UPDATE magiclink.users SET email = 'new@example.com' WHERE app_id = $1",
     "UPDATE magiclink.users SET email = NULL, phone = '+4930123456' WHERE app_id = $1",
     "DELETE FROM magiclink.users WHERE app_id = $1"],
)  # fmt: skip
async def test_whoever_reads_the_old_mailbox_gets_nothing(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection, change: str
) -> None:
    old = await expired(seeds)
    await owner.execute(change, old.app.id)
    assert await renewals.handle([record(old.event())]) == 0
    assert await made_of(owner, old) == []


async def test_what_the_app_does_not_allow_any_more_is_not_renewed(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old = await expired(seeds, redirect_url="https://gone.example/in")
    assert await renewals.handle([record(old.event())]) == 0
    assert await made_of(owner, old) == []


async def test_a_link_without_rivals_and_without_redirect_stays_so(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app(latest_only=["login"], default_redirect_url="http://127.0.0.1:8000/elsewhere")
    old = await expired(seeds, app=app, redirect_url=None, ttl_seconds=86_400)
    await owner.execute("UPDATE magiclink.apps SET max_ttl_seconds = 1000 WHERE id = $1", app.id)
    await renewals.handle([record(old.event())])
    (new,) = await made_of(owner, old)
    assert (new["slot"], new["redirect_url"], new["ttl_seconds"]) == (None, None, 1000)


async def test_a_limit_of_texts_is_the_end_of_it_and_no_dead_letter(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection, cache: Cache
) -> None:
    app = await seeds.app(texts_per_recipient_per_hour=1)
    texted = {"channel": "sms", "recipient": "+4930123456"}
    first = await expired(seeds, app=app, channel="sms", message=texted)
    second = await expired(seeds, app=app, channel="sms", message=texted)
    await owner.execute("UPDATE magiclink.users SET phone = '+4930123456' WHERE app_id = $1", app.id)
    topic = f"renewals-{uuid4()}"
    for _ in range(2):  # redelivered: charged once
        assert await renewals.handle([record(first.event(), 0, topic)]) == 0
    assert await renewals.handle([record(second.event(), 1, topic)]) == 0
    assert (len(await made_of(owner, first)), len(await made_of(owner, second))) == (1, 0)
    assert await owner.fetchval("SELECT count(*) FROM magiclink.dead_letters WHERE topic = $1", topic) == 0


async def test_without_redis_a_text_waits_and_an_email_goes_out(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    nowhere = Cache("redis://127.0.0.1:1/0", budget_seconds=0.05)
    bell, store = OutboxBell(issuer_pool), IssuerStore(issuer_pool, 60)
    issue = Issue(store, RINGS["issuer"], bell, TextLimits(nowhere))
    apps = Apps(issuer_pool, SQL, allow_http=True)
    renewals = Renewals(issue, apps, Lanes(nowhere), store, RINGS["issuer"])
    texted = await expired(seeds, channel="sms", message={"channel": "sms", "recipient": "+4930123456"})
    await owner.execute("UPDATE magiclink.users SET phone = '+4930123456' WHERE app_id = $1", texted.app.id)
    mailed = await expired(seeds)
    await renewals.handle([record(mailed.event())])
    with pytest.raises(Unavailable):
        await renewals.handle([record(texted.event())])
    assert (len(await made_of(owner, mailed)), len(await made_of(owner, texted))) == (1, 0)
    await bell.close()
    await nowhere.close()


async def test_a_link_of_another_app_or_user_is_unknown(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old, other = await expired(seeds), await expired(seeds)
    for data in ({"app_id": other.app.id}, {"user_id": other.link.user_id}, {"link_id": new_link_id()}):
        assert await renewals.handle([record(old.event(**data))]) == 0
    assert await made_of(owner, old) == []
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", other.app.id) == 1


async def test_what_is_malformed_is_put_aside_and_the_rest_is_renewed(
    renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old, topic = await expired(seeds), f"renewals-{uuid4()}"
    good = orjson.loads(old.event())
    bad: dict[int, tuple[bytes | None, str]] = {
        0: (None, "no value"),
        1: (b"{", "not JSON"),
        2: (orjson.dumps({**good, "type": "magiclink.link.requested.v1"}), "type: expected"),
        3: (orjson.dumps({**good, "data": {"link_id": "x", "recipient": "eve@evil.example"}}), "data.app_id"),
        4: (orjson.dumps({**good, "id": "1"}), "id: expected"),
        5: (orjson.dumps({**good, "time": "2020-01-01T00:00:00Z"}), "older than 30 days"),
    }
    records = [record(value, offset, topic) for offset, (value, _) in bad.items()]
    assert await renewals.handle([*records, record(old.event(), 6, topic)]) == len(bad)
    rows = await owner.fetch('SELECT "offset", reason FROM magiclink.dead_letters WHERE topic = $1', topic)
    reasons = {row["offset"]: row["reason"] for row in rows}
    assert set(reasons) == set(bad)
    assert all(words in reasons[offset] for offset, (_, words) in bad.items()), reasons
    assert "evil" not in str(reasons)
    assert len(await made_of(owner, old)) == 1


async def test_a_database_that_is_away_loses_nothing(
    topics: Kafka, renewals: Renewals, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old, topic = await expired(seeds), await new_topic(topics)
    tries = 0

    async def flaky(records: list[Record]) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise asyncpg.CannotConnectNowError("the database system is starting up")
        return await renewals.handle(records)

    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, old.event(), key=b"k")
    await producer.stop()
    settings = KafkaSettings(kafka_bootstrap=topics.bootstrap, kafka_fetch_wait_ms=20)
    task = asyncio.create_task(consume_batches(settings, Subscription(topic, f"group-{uuid4()}", 10), flaky))
    for _ in range(300):
        if await made_of(owner, old):
            break
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])
    assert (len(await made_of(owner, old)), tries) == (1, 3)
