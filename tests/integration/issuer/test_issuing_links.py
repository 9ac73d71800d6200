"""`POST /v1/links` and the batch: one link a key, users once, refusals by rule."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from services.issuer.issue import Issue
from services.issuer.orders import Order
from services.issuer.policy import App, Apps, draft_link
from services.issuer.store import SQL, IssuerStore
from services.issuer.text_limits import TextLimits
from shared.cache import Cache
from shared.database import Pool
from shared.links import LinkRequest
from shared.outbox import OutboxBell
from shared.tokens import read_token
from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import BASE_URL, PUBLIC_URL, RINGS, Seeds, one_row


async def test_a_link_is_made_with_its_user_its_message_and_its_outbox_rows(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    status, body, _ = await issuer.post(
        "/v1/links",
        {
            "email": "Ann@Example.com",
            "channel": "email",
            "redirect_url": "/welcome",
            "passcode": True,
            "state": {"b": [1, 2.5], "a": "ü"},
        },
    )
    assert status == 201
    link = body["link"]
    assert link["status"] == "issued"
    assert link["redirect_url"] == f"{BASE_URL}/welcome"
    assert link["state"] == {"b": [1, 2.5], "a": "ü"}
    assert link["url"] == f"{PUBLIC_URL}/l/{link['token']}"
    assert str(read_token(RINGS["verifier"], link["token"]).link_id) == link["id"]  # type: ignore[union-attr]
    assert len(link["passcode"]) == 6
    assert body["message"]["status"] == "queued"

    user = await one_row(owner, "SELECT * FROM magiclink.users WHERE id = $1", link["user_id"])
    assert (user["email"], user["app_id"]) == ("ann@example.com", issuer.app.id)
    message = await one_row(owner, "SELECT * FROM magiclink.messages WHERE link_id = $1", link["id"])
    assert (message["recipient"], message["channel"], message["status"]) == (
        "ann@example.com",
        "email",
        "queued",
    )
    rows = await owner.fetch("SELECT * FROM magiclink.outbox WHERE key = $1 ORDER BY id", link["user_id"])
    events = [orjson.loads(row["value"]) for row in rows]
    assert [event["type"] for event in events] == ["magiclink.link.issued.v1", "magiclink.message.queued.v1"]
    assert [row["lane"] for row in rows] == ["events", "interactive"]
    assert all("ann@" not in str(event) and link["token"] not in str(event) for event in events)


async def test_a_key_without_reveal_sees_no_secret(issuer: RunningIssuer, seeds: Seeds) -> None:
    issuer.app = await seeds.app(scopes=("links:create",))
    status, body, _ = await issuer.post("/v1/links", {"email": "a@example.com", "passcode": True})
    assert status == 201
    assert not {"url", "token", "passcode"} & body["link"].keys()


async def test_a_replay_gives_the_same_link_and_url_and_makes_nothing(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    request = {"email": "a@example.com", "channel": "email", "passcode": True, "state": 1}
    first = await issuer.post("/v1/links", request, key="k1")
    again = await issuer.post("/v1/links", request, key="k1")
    assert first[0] == again[0] == 201
    assert again[1] == first[1]
    assert "Idempotency-Replayed" not in first[2]
    assert again[2]["Idempotency-Replayed"] == "true"
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", issuer.app.id) == 1
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE app_id = $1", issuer.app.id) == 1
    )


async def test_the_same_key_with_another_body_is_a_conflict_and_makes_nothing(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    await issuer.post("/v1/links", {"email": "a@example.com"}, key="k1")
    status, body, _ = await issuer.post("/v1/links", {"email": "b@example.com"}, key="k1")
    assert (status, body["code"]) == (409, "idempotency_conflict")
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", issuer.app.id) == 1
    assert await owner.fetchval("SELECT count(*) FROM magiclink.users WHERE app_id = $1", issuer.app.id) == 1


async def test_concurrent_duplicates_on_two_replicas_give_one_link(
    issuer: RunningIssuer, issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    request = {"email": "a@example.com", "channel": "email"}
    answers = await asyncio.gather(*(issuer.post("/v1/links", request, key="same") for _ in range(20)))
    assert {status for status, _, _ in answers} == {201}
    assert len({body["link"]["id"] for _, body, _ in answers}) == 1
    assert sum("Idempotency-Replayed" not in headers for _, _, headers in answers) == 1
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", issuer.app.id) == 1


async def test_the_same_new_address_on_two_replicas_and_twice_in_a_batch_is_one_user(
    issuer_pool: Pool, cache: Cache, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app_id = (await seeds.app()).id
    app = await Apps(issuer_pool, SQL, allow_http=True).get(app_id)
    bells = [OutboxBell(issuer_pool) for _ in range(2)]
    texts = TextLimits(cache)
    replicas = [Issue(IssuerStore(issuer_pool, 60), RINGS["issuer"], bell, texts) for bell in bells]
    orders = [_order(app, [f"user{number % 7}@example.com" for number in range(20)]) for _ in range(10)]
    receipts = await asyncio.gather(*(replicas[n % 2].one(order) for n, order in enumerate(orders)))
    assert sum(len(receipt.items) for receipt in receipts) == 200
    assert not [item for receipt in receipts for item in receipt.items if isinstance(item, Exception)]
    assert await owner.fetchval("SELECT count(*) FROM magiclink.users WHERE app_id = $1", app_id) == 7
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", app_id) == 200
    for bell in bells:
        await bell.close()


def _order(app: App, emails: list[str]) -> Order:
    return Order(
        app.id, [draft_link(app, LinkRequest(email=email), "bulk") for email in emails], None, "batch"
    )


async def test_a_bad_item_of_a_batch_refuses_itself_only_and_a_replay_says_the_same(
    issuer: RunningIssuer,
) -> None:
    batch = {
        "links": [
            {"email": "a@example.com"},
            {"email": "nobody"},
            {"email": "a@example.com", "channel": "sms"},
            {"user_id": str(issuer.app.id)},
            {"phone": "+12025550100", "channel": "sms"},
            {"email": "b@example.com", "redirect_url": "https://evil.example/"},
        ]
    }
    status, body, _ = await issuer.post("/v1/links/batch", batch, key="b1")
    assert status == 200
    rules = [result.get("error", {}).get("errors", [{}])[0].get("rule") for result in body["results"]]
    assert rules == [None, "email_format", "recipient_missing", "user_unknown", None, "redirect_not_allowed"]
    assert body["results"][1]["error"]["errors"][0]["field"] == "links.1.email"
    assert body["results"][4]["message"]["channel"] == "sms"
    again = await issuer.post("/v1/links/batch", batch, key="b1")
    assert again[1] == body
    assert again[2]["Idempotency-Replayed"] == "true"


async def test_a_batch_of_nothing_but_bad_items_is_answered_item_by_item_and_leaves_its_key_free(
    issuer: RunningIssuer,
) -> None:
    status, body, _ = await issuer.post("/v1/links/batch", {"links": [{"email": "x"}, {}]}, key="k")
    rules = [result["error"]["errors"][0]["rule"] for result in body["results"]]
    assert (status, rules) == (200, ["email_format", "one_recipient"])
    status, _, headers = await issuer.post(
        "/v1/links/batch", {"links": [{"email": "a@example.com"}]}, key="k"
    )
    assert status == 200
    assert "Idempotency-Replayed" not in headers


async def test_a_wholly_refused_order_leaves_its_key_free(issuer: RunningIssuer, seeds: Seeds) -> None:
    request = {"user_id": str(issuer.app.id)}
    status, body, _ = await issuer.post("/v1/links", request, key="k")
    assert (status, body["errors"][0]["rule"]) == (422, "user_unknown")
    await seeds.connection.execute(
        "INSERT INTO magiclink.users (id, app_id, email) VALUES ($1, $1, 'late@example.com')", issuer.app.id
    )
    status, _, headers = await issuer.post("/v1/links", request, key="k")
    assert status == 201
    assert "Idempotency-Replayed" not in headers


async def test_every_problem_of_a_request_is_told_at_once(issuer: RunningIssuer) -> None:
    status, body, _ = await issuer.post(
        "/v1/links", {"email": "x", "ttl_seconds": 1, "channel": "fax", "foo": 1, "locale": "??"}
    )
    assert status == 422
    assert {problem["field"] for problem in body["errors"]} == {
        "email",
        "ttl_seconds",
        "channel",
        "foo",
        "locale",
    }


@pytest.mark.parametrize(
    ("redirect", "rule"),
    [
        ("https://evil.example/", "redirect_not_allowed"),
        ("//evil.example/", "redirect_not_a_path"),
        ("/../admin", None),
        ("javascript:alert(1)", "redirect_scheme"),
        ("https://app.example@evil.example/", "redirect_userinfo"),
        ("https://app.example/ok#x", "redirect_fragment"),
    ],
)
async def test_a_redirect_is_refused_with_the_rule_that_refused_it(
    issuer: RunningIssuer, redirect: str, rule: str | None
) -> None:
    status, body, _ = await issuer.post("/v1/links", {"email": "a@example.com", "redirect_url": redirect})
    assert status == 422
    problem = body["errors"][0]
    assert problem["field"] == "redirect_url"
    assert rule is None or problem["rule"] == rule


async def test_bodies_that_cannot_be_stored_are_refused(issuer: RunningIssuer) -> None:
    headers = {**issuer.app.headers, "Content-Type": "application/json"}
    for raw in (b'{"email": "a@example.com", "state": "\\u0000"}', b'{"state": "\\ud800"}', b"{", b"\xff"):
        async with issuer.session.post(f"{issuer.url}/v1/links", data=raw, headers=headers) as response:
            assert response.status == 400
            assert (await response.json(content_type=None))["code"] == "malformed_request"


async def test_a_body_past_the_limit_is_refused(issuer: RunningIssuer) -> None:
    status, body, _ = await issuer.post("/v1/links", {"email": "a@example.com", "state": "x" * 70_000})
    assert (status, body["code"]) == (413, "body_too_large")


async def test_without_a_key_or_with_a_wrong_one_nothing_is_told(issuer: RunningIssuer) -> None:
    wrong = issuer.app.key[:-1] + ("A" if issuer.app.key[-1] != "A" else "B")
    bodies: list[Any] = []
    for headers in ({}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": "Bearer nonsense"}):
        async with issuer.session.post(f"{issuer.url}/v1/links", json={}, headers=headers) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
            bodies.append((await response.json(content_type=None))["code"])
    assert bodies == ["unauthorized"] * 3


async def test_a_missing_scope_is_named(issuer: RunningIssuer, seeds: Seeds) -> None:
    issuer.app = await seeds.app(scopes=("links:verify",))
    status, body, _ = await issuer.post("/v1/links", {"email": "a@example.com"})
    assert (status, body["code"]) == (403, "forbidden")
    assert "links:create" in body["detail"]


async def test_a_token_bucket_limits_and_says_when_to_come_back(start_issuer: Any) -> None:
    issuer = await start_issuer(per_minute=3)
    answers = [await issuer.post("/v1/links", {"email": "a@example.com"}) for _ in range(4)]
    assert [status for status, _, _ in answers] == [201, 201, 201, 429]
    assert int(answers[-1][2]["Retry-After"]) >= 1


async def test_limits_fail_open_when_redis_is_away(start_issuer: Any) -> None:
    away = Cache("redis://127.0.0.1:1/0", budget_seconds=0.2)
    issuer = await start_issuer(per_minute=1, with_cache=away)
    answers = [await issuer.post("/v1/links", {"email": "a@example.com"}) for _ in range(3)]
    assert [status for status, _, _ in answers] == [201, 201, 201]
    await away.close()


async def test_the_surplus_of_an_apps_interactive_messages_is_bulk(
    start_issuer: Any, owner: asyncpg.Connection
) -> None:
    issuer = await start_issuer(interactive_per_minute=2)
    for number in range(4):
        await issuer.post("/v1/links", {"email": f"a{number}@example.com", "channel": "email"})
    lanes = await owner.fetch(
        "SELECT lane FROM magiclink.messages WHERE app_id = $1 ORDER BY id", issuer.app.id
    )
    assert [row["lane"] for row in lanes] == ["interactive", "interactive", "bulk", "bulk"]


async def test_the_surplus_within_one_batch_is_bulk_too(start_issuer: Any, owner: asyncpg.Connection) -> None:
    issuer = await start_issuer(interactive_per_minute=2)
    item = {"channel": "email", "lane": "interactive"}
    links = [{**item, "email": f"a{number}@example.com"} for number in range(4)]
    links[0] = {"email": "unsent@example.com", "lane": "interactive"}
    await issuer.post("/v1/links/batch", {"links": links})
    sql = "SELECT lane, channel, count(*) FROM magiclink.links WHERE app_id = $1 GROUP BY 1, 2 ORDER BY 1, 2"
    rows = await owner.fetch(sql, issuer.app.id)
    assert [tuple(row) for row in rows] == [
        ("bulk", "email", 1),
        ("interactive", "email", 2),
        ("interactive", "none", 1),
    ]


async def test_an_answer_does_not_tell_whether_the_account_existed(issuer: RunningIssuer) -> None:
    request = {"email": "known@example.com", "channel": "email"}
    answers = [await issuer.post("/v1/links", request) for _ in range(2)]
    assert [status for status, _, _ in answers] == [201, 201]
    shapes = [_shape(body) for _, body, _ in answers]
    assert shapes[0] == shapes[1]
    assert set(answers[0][2]) == set(answers[1][2])


def _shape(value: Any) -> Any:
    return {key: _shape(member) for key, member in value.items()} if isinstance(value, dict) else type(value)


async def test_a_scheduled_link_begins_when_it_is_sent(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    send_at = datetime.now(UTC) + timedelta(days=2)
    status, body, _ = await issuer.post(
        "/v1/links",
        {"email": "a@example.com", "channel": "email", "send_at": send_at.isoformat(), "ttl_seconds": 600},
    )
    assert (status, body["link"]["status"]) == (201, "scheduled")
    row = await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", body["link"]["id"])
    assert row["not_before"] == send_at
    assert row["expires_at"] == send_at + timedelta(seconds=600)
    due = await owner.fetchval(
        "SELECT due_at FROM magiclink.outbox WHERE key = $1 AND lane = 'interactive'", body["link"]["user_id"]
    )
    assert due == send_at


async def test_large_orders_are_committed_one_by_one_and_never_with_a_login(
    issuer_pool: Pool, cache: Cache, seeds: Seeds
) -> None:
    together: list[int] = []

    class Watched(IssuerStore):
        async def create_links(self, connection: Any, links: Any, created_at: Any) -> None:
            together.append(len(links))
            await super().create_links(connection, links, created_at)

    bell = OutboxBell(issuer_pool)
    issue = Issue(Watched(issuer_pool, 60), RINGS["issuer"], bell, TextLimits(cache))
    app = await Apps(issuer_pool, SQL, allow_http=True).get((await seeds.app()).id)

    def order(links: int) -> Order:
        emails = [f"{number}@example.com" for number in range(links)]
        return Order(
            app.id, [draft_link(app, LinkRequest(email=email), "bulk") for email in emails], None, "api"
        )

    # Together they would run into the statement's time limit, and every login among them.
    receipts = await asyncio.gather(*(issue.one(order(links)) for links in [100, 1] * 8))
    assert [len(receipt.items) for receipt in receipts] == [100, 1] * 8
    assert [links for links in together if links >= 100] == [100] * 8
    assert sum(links for links in together if links < 100) == 8
    await bell.close()


@pytest.mark.parametrize("channel", ["none", "email"])
@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_the_relays_of_just_those_lanes_are_woken_that_were_written_to(
    issuer_pool: Pool, cache: Cache, seeds: Seeds, owner: asyncpg.Connection, channel: str, lane: str
) -> None:
    bell, rung = OutboxBell(issuer_pool), list[set[str]]()
    bell.nearby = lambda lanes: rung.append({*lanes})
    issue = Issue(IssuerStore(issuer_pool, 60), RINGS["issuer"], bell, TextLimits(cache))
    app = await Apps(issuer_pool, SQL, allow_http=True).get((await seeds.app()).id)
    request = LinkRequest.model_validate({"email": "a@example.com", "channel": channel})
    await issue.one(Order(app.id, [draft_link(app, request, lane)], None, "api"))
    written = await owner.fetch(
        "SELECT DISTINCT lane FROM magiclink.outbox JOIN magiclink.users u ON key = u.id::text WHERE u.app_id = $1",
        app.id,
    )
    assert rung == [{row["lane"] for row in written}]
    assert len(written) == (1 if channel == "none" else 2)


async def test_each_link_of_a_mixed_batch_is_written_with_what_is_its_own(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    emails = [
        "a{b}@example.com",
        "o'brien@example.com",
        "x|y`z@example.com",
        "null@example.com",
        "a{b}@example.com",
    ]
    items: list[dict[str, Any]] = [
        {"email": email, "channel": ("email", "none")[number % 2], "metadata": {"100 %s": '{"}\n'}}
        for number, email in enumerate(emails * 3)
    ]
    items += [{"phone": "+4930123456", "channel": "sms"}, {"email": "late@example.com", "state": {"n": 1}}]
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    items += [{"email": "later@example.com", "channel": "email", "send_at": later, "ttl_seconds": 600}]
    status, body, _ = await issuer.post("/v1/links/batch", {"links": items})
    assert status == 200
    for item, result in zip(items, body["results"], strict=True):
        link = result["link"]
        row = await one_row(
            owner,
            "SELECT l.*, u.email, u.phone, m.recipient, m.id AS message_id FROM magiclink.links l "
            "JOIN magiclink.users u ON u.id = l.user_id LEFT JOIN magiclink.messages m ON m.link_id = l.id WHERE l.id = $1",
            link["id"],
        )
        address = item.get("email") or item["phone"]
        sent = item.get("channel", "none") != "none"
        assert (row["email"] or row["phone"], str(row["user_id"])) == (address, link["user_id"])
        assert row["recipient"] == (address if sent else None)
        assert (str(row["message_id"]) if sent else None) == (result["message"] or {}).get("id")
        assert orjson.loads(row["metadata"]) == link["metadata"] == item.get("metadata", {})
        assert read_token(RINGS["issuer"], link["token"]).link_id == row["id"]  # type: ignore[union-attr]
        moments = (row["created_at"], row["expires_at"])
        assert moments == tuple(datetime.fromisoformat(link[name]) for name in ("created_at", "expires_at"))
        events = await owner.fetch("SELECT * FROM magiclink.outbox WHERE key = $1", link["user_id"])
        mine = [event for event in events if link["id"] in event["value"].decode()]
        assert sorted(event["lane"] for event in mine) == (["bulk", "events"] if sent else ["events"])
        told = next(orjson.loads(event["value"]) for event in mine if event["lane"] == "events")
        assert (told["subject"], told["data"]["user_id"]) == (link["id"], link["user_id"])
        assert datetime.fromisoformat(told["time"]) == row["created_at"]
