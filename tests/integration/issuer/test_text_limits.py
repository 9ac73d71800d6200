"""What costs money is limited for each app and each recipient, fails closed, and charges nobody twice."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from services.issuer.intake import Intake
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.store import SQL, IssuerStore
from services.issuer.text_limits import TextLimits
from shared.cache import Cache
from shared.database import Pool
from shared.errors import RateLimited, Unavailable
from shared.limits import FailClosedBucket, FailOpenBucket
from shared.outbox import OutboxBell
from tests.integration.issuer.conftest import RunningIssuer
from tests.integration.issuer.test_intake import links_of, record, requested
from tests.seeds import RINGS, Seeds

PHONE = "+12025550100"


def text(number: int = 0) -> dict[str, str]:
    return {"phone": f"+1202555{100 + number:04}", "channel": "sms"}


async def test_an_app_sends_no_more_texts_than_its_hour_allows(start_issuer: Any) -> None:
    issuer = await start_issuer(texts_per_hour=3)
    answers = [await issuer.post("/v1/links", text(number)) for number in range(4)]
    assert [status for status, _, _ in answers] == [201, 201, 201, 429]
    assert answers[3][1]["code"] == "rate_limited"
    # A token comes every twenty minutes.
    assert 1000 < int(answers[3][2]["Retry-After"]) <= 1200


async def test_a_recipient_gets_no_more_texts_than_its_hour_allows_by_any_channel_or_name(
    start_issuer: Any, owner: asyncpg.Connection
) -> None:
    issuer = await start_issuer(texts_per_recipient_per_hour=2)
    _, body, _ = await issuer.post("/v1/links", {"phone": PHONE, "channel": "sms"})
    await issuer.post("/v1/links", {"phone": PHONE, "channel": "whatsapp"})
    for request in (
        {"phone": PHONE, "channel": "sms"},
        {"user_id": body["link"]["user_id"], "channel": "sms"},
    ):
        status, answer, headers = await issuer.post("/v1/links", request)
        assert (status, answer["code"]) == (429, "rate_limited")
        assert int(headers["Retry-After"]) > 60
    assert (await issuer.post("/v1/links", text(7)))[0] == 201
    assert (await issuer.post("/v1/links", {"phone": PHONE}))[0] == 201  # nothing is sent, nothing costs
    sent = await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE app_id = $1", issuer.app.id)
    assert sent == 3


async def test_a_replay_is_neither_charged_nor_refused(start_issuer: Any) -> None:
    issuer = await start_issuer(texts_per_hour=2)
    first = await issuer.post("/v1/links", text(), key="k")
    for _ in range(3):
        again = await issuer.post("/v1/links", text(), key="k")
        assert (again[0], again[1]) == (201, first[1])
    assert [(await issuer.post("/v1/links", text(n)))[0] for n in (1, 2)] == [201, 429]
    assert (await issuer.post("/v1/links", text(), key="k"))[0] == 201


async def test_an_order_over_the_limit_keeps_no_key_and_may_be_asked_again(start_issuer: Any) -> None:
    issuer = await start_issuer(texts_per_hour=1)
    await issuer.post("/v1/links", text(1))
    assert (await issuer.post("/v1/links", text(2), key="k"))[0] == 429
    assert (await issuer.post("/v1/links", text(2), key="k"))[0] == 429


async def test_an_item_over_the_limit_refuses_itself_only_and_a_replay_says_the_same(
    start_issuer: Any,
) -> None:
    issuer = await start_issuer(texts_per_hour=2)
    batch = {"links": [text(1), text(2), text(3), {"email": "a@example.com", "channel": "email"}]}
    status, body, _ = await issuer.post("/v1/links/batch", batch, key="b")
    assert status == 200
    refused = [result for result in body["results"] if "error" in result]
    assert [(item["error"]["code"], item["error"]["status"]) for item in refused] == [("rate_limited", 429)]
    assert (await issuer.post("/v1/links/batch", batch, key="b"))[1] == body


async def test_without_redis_no_text_is_sent_and_everything_else_is(
    issuer_pool: Pool, start_issuer: Any, owner: asyncpg.Connection
) -> None:
    away = Cache("redis://127.0.0.1:1/0", budget_seconds=0.2)
    bell = OutboxBell(issuer_pool)
    blind = Issue(IssuerStore(issuer_pool, 60), RINGS["issuer"], bell, TextLimits(away))
    issuer: RunningIssuer = await start_issuer(with_cache=away, with_issue=blind)
    status, body, headers = await issuer.post("/v1/links", text())
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "1")
    email = {"email": "a@example.com", "channel": "email"}
    assert (await issuer.post("/v1/links", email))[0] == 201
    _, body, _ = await issuer.post("/v1/links/batch", {"links": [text(), email]})
    assert body["results"][0]["error"]["code"] == "unavailable"
    assert body["results"][1]["link"]["status"] == "issued"
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", issuer.app.id) == 2
    await blind.drain()
    await bell.close()
    await away.close()


async def test_who_is_refused_for_the_apps_sake_keeps_his_own_tokens(
    cache: Cache, issuer_pool: Pool, seeds: Seeds
) -> None:
    apps = Apps(issuer_pool, SQL, allow_http=True)
    app = await apps.get((await seeds.app(texts_per_hour=1, texts_per_recipient_per_hour=2)).id)
    texts = TextLimits(cache)
    await texts.take(app, "sms", "+12025550111")
    for _ in range(5):
        with pytest.raises(RateLimited, match="texts_per_hour"):
            await texts.take(app, "sms", PHONE)
    levels = await texts.peek(app, PHONE)
    assert levels["texts_per_recipient_per_hour"] is not None
    assert levels["texts_per_recipient_per_hour"].left == 2
    await texts.take(app, "email", "ann@example.com")  # costs nothing


async def test_a_bucket_that_fails_closed_lets_nothing_through_without_redis() -> None:
    away = Cache("redis://127.0.0.1:1/0", budget_seconds=0.2)
    bucket = FailClosedBucket(away, "test", 5)
    with pytest.raises(Unavailable):
        await bucket.take("x")
    assert await bucket.peek("x") is None
    await away.close()


async def test_looking_into_a_bucket_takes_nothing(cache: Cache) -> None:
    who, closed = str(uuid4()), FailClosedBucket(cache, "test-closed", 2)
    for expected in (2, 2, 2):
        level = await closed.peek(who)
        assert level is not None
        assert (level.left, level.wait_seconds) == (expected, 0)
    await closed.take(who)
    await closed.take(who)
    level = await closed.peek(who)
    assert level is not None
    assert level.left == 0
    assert 1700 < level.wait_seconds < 1801  # the bucket rounds up to a millisecond


async def test_a_bucket_gives_what_it_has_and_takes_back_no_more_than_it_holds(cache: Cache) -> None:
    who, bucket = str(uuid4()), FailOpenBucket(cache, "test-some", 5)
    assert await bucket.take_up_to(who, 3) == 3
    assert await bucket.take_up_to(who, 4) == 2
    assert await bucket.take_up_to(who, 4) == 0
    closed = FailClosedBucket(cache, "test-back", 2)
    await closed.take(who)
    for _ in range(4):
        await closed.put_back(who)
    level = await closed.peek(who)
    assert level is not None
    assert level.left == 2


@pytest.fixture
def intake(issuer_pool: Pool, cache: Cache, issue: Issue) -> Intake:
    apps = Apps(issuer_pool, SQL, allow_http=True)
    return Intake(issue, apps, Lanes(cache), IssuerStore(issuer_pool, 60), RINGS["issuer"])


async def test_an_event_over_the_limit_comes_again_later_and_holds_nobody_up(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    limited, other = await seeds.app(texts_per_hour=1), await seeds.app()
    topic = f"requests-{uuid4()}"
    sms = {"email": None, "channel": "sms"}
    records = [
        record(requested(limited, "one", **sms, phone=PHONE), 0, topic),
        record(requested(limited, "two", **sms, phone="+12025550101"), 1, topic),
        record(requested(other, "three"), 2, topic),
    ]
    await intake.handle(records)
    assert [await links_of(owner, app) for app in (limited, other)] == [1, 1]
    assert await owner.fetchval("SELECT count(*) FROM magiclink.dead_letters WHERE topic = $1", topic) == 0
    rows = await owner.fetch(
        "SELECT value, key, headers, lane, extract(epoch FROM due_at - now()) AS seconds FROM magiclink.outbox"
        " WHERE topic = $1",
        topic,
    )
    # Which of the two came first is Redis' to say.
    assert [(row["key"], row["lane"]) for row in rows] == [("k", "bulk")]
    values = [entry.value for entry in records[:2]]
    issued = records[1 - values.index(rows[0]["value"])]
    assert 3500 < rows[0]["seconds"] <= 7200
    assert orjson.loads(rows[0]["headers"]) == {"x-request-id": "req-1", "postponed": "1"}
    # What came in is not charged again when the batch comes again.
    await intake.handle([issued])
    assert await links_of(owner, limited) == 1
    assert await owner.fetchval("SELECT count(*) FROM magiclink.outbox WHERE topic = $1", topic) == 1


async def test_what_comes_later_may_have_any_key_and_comes_as_one_however_often_it_was_delivered(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app, topic = await seeds.app(texts_per_hour=1), f"requests-{uuid4()}"
    first = requested(app, "one", email=None, channel="sms", phone=PHONE)
    await intake.handle([record(first, 0, topic)])
    second = requested(app, "two", email=None, channel="sms", phone="+12025550101")
    again = [replace(record(second, offset, topic), key=b"a\0\xff") for offset in (1, 2, 3)]
    await intake.handle(again)
    keys = await owner.fetch("SELECT key FROM magiclink.outbox WHERE topic = $1", topic)
    assert [row["key"] for row in keys] == ["a\ufffd"]


async def test_what_has_come_back_for_a_month_is_put_aside(
    intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app, topic = await seeds.app(texts_per_hour=1), f"requests-{uuid4()}"
    values = [
        requested(app, name, email=None, channel="sms", phone=f"+1202555010{name}") for name in ("1", "2")
    ]
    await intake.handle([record(values[0], 0, topic)])
    tired = replace(record(values[1], 1, topic), headers=[("postponed", b"2000")])
    assert await intake.handle([tired]) == 1
    reason = await owner.fetchval("SELECT reason FROM magiclink.dead_letters WHERE topic = $1", topic)
    assert reason.startswith("rate_limited")
    assert await owner.fetchval("SELECT count(*) FROM magiclink.outbox WHERE topic = $1", topic) == 0


async def test_without_redis_a_batch_of_texts_waits_and_loses_nothing(
    issuer_pool: Pool, cache: Cache, intake: Intake, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    away = Cache("redis://127.0.0.1:1/0", budget_seconds=0.2)
    bell = OutboxBell(issuer_pool)
    store = IssuerStore(issuer_pool, 60)
    blind_issue = Issue(store, RINGS["issuer"], bell, TextLimits(away))
    apps = Apps(issuer_pool, SQL, allow_http=True)
    blind = Intake(blind_issue, apps, Lanes(away), store, RINGS["issuer"])
    app, topic = await seeds.app(), f"requests-{uuid4()}"
    records = [
        record(requested(app, "mail"), 0, topic),
        record(requested(app, "text", email=None, phone=PHONE, channel="sms"), 1, topic),
    ]
    with pytest.raises(Unavailable):
        await blind.handle(records)
    await intake.handle(records)
    assert await links_of(owner, app) == 2
    assert await owner.fetchval("SELECT count(*) FROM magiclink.dead_letters WHERE topic = $1", topic) == 0
    await bell.close()
    await away.close()


async def test_a_large_batch_of_texts_is_counted_to_the_last_one(start_issuer: Any) -> None:
    issuer = await start_issuer(texts_per_hour=700)
    items = [{"phone": f"+1202555{number:04}", "channel": "sms"} for number in range(100, 1000)]
    _, body, _ = await issuer.post("/v1/links/batch", {"links": items})
    made = [UUID(result["link"]["id"]) for result in body["results"] if "link" in result]
    # One token more every five seconds, on a busy machine.
    assert 700 <= len(set(made)) <= 703
