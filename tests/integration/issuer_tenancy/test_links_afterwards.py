import asyncio

import aiohttp
import pytest

from shared.cache import Cache
from shared.database import Pool
from tests.integration.issuer_tenancy.bench import Caller, Replica, new_caller, start_replica

_SEED_ATTEMPT = """
INSERT INTO magiclink.message_attempts (message_id, attempt, started_at, finished_at, outcome, provider, provider_id, detail)
VALUES ($1, $2::int, now() + make_interval(secs => $2::int), now() + make_interval(secs => $2::int + 0.5), $3, 'smtp', 'id-1', $4)
"""


async def test_revoking_ends_a_link_and_its_queued_messages(shop: Caller) -> None:
    link = await shop.seed_link()
    queued, sent = await shop.seed_message(link), await shop.seed_message(link, "accepted")
    answer = await shop.ask("POST", f"/v1/links/{link}/revoke", x_request_id="req-7")
    assert (answer.status, answer.body["link"]["status"]) == (200, "revoked")
    row = await shop.link_row(link)
    assert (row["sequence"], row["revoked_at"] is not None) == (2, True)
    statuses = await shop.owner.fetch(
        "SELECT id, status, lease_until FROM magiclink.messages WHERE link_id = $1", link
    )
    found = {r["id"]: (r["status"], r["lease_until"] is None) for r in statuses}
    assert found == {queued: ("revoked", True), sent: ("accepted", False)}

    (event,) = await shop.events_of(link)
    assert (event["topic"], event["key"]) == ("magiclink.events", str(row["user_id"]))
    assert event["headers"] == {"x-request-id": "req-7"}
    assert event["event"]["type"] == "magiclink.link.revoked.v1"
    assert (event["event"]["id"], event["event"]["source"]) == (f"{link}.2", "/issuer")
    assert event["event"]["data"] == {
        "link_id": str(link),
        "app_id": shop.app_id,
        "user_id": str(row["user_id"]),
        "type": "login",
        "revoked_at": row["revoked_at"].isoformat(),
        "sequence": 2,
    }


async def test_the_messages_that_a_revocation_stopped_are_told_of(shop: Caller) -> None:
    link = await shop.seed_link()
    queued = await shop.seed_message(link)
    await shop.seed_message(link, "accepted")
    await shop.ask("POST", f"/v1/links/{link}/revoke")
    (told,) = await shop.events_of(queued)
    assert told["event"]["type"] == "magiclink.message.revoked.v1"
    assert told["event"]["data"]["link_id"] == str(link)


async def test_revoking_again_is_fine_and_tells_nothing_new(shop: Caller) -> None:
    link = await shop.seed_link()
    answers = await asyncio.gather(*(shop.ask("POST", f"/v1/links/{link}/revoke", {}) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["link"]["revoked_at"] for answer in answers}) == 1
    assert len(await shop.events_of(link)) == 1


async def test_a_consumed_link_can_be_revoked(shop: Caller) -> None:
    link = await shop.seed_link(consumed_ago="5 seconds")
    answer = await shop.ask("POST", f"/v1/links/{link}/revoke")
    assert (answer.status, answer.body["link"]["status"]) == (200, "revoked")
    assert answer.body["link"]["consumed_at"] is not None


async def test_an_idempotency_key_belongs_to_the_link_it_was_used_for(shop: Caller) -> None:
    first, second = await shop.seed_link(), await shop.seed_link()
    assert (await shop.ask("POST", f"/v1/links/{first}/revoke", idempotency_key="r-1")).status == 200
    other = await shop.ask("POST", f"/v1/links/{second}/revoke", idempotency_key="r-1")
    assert (other.status, other.code) == (409, "idempotency_conflict")
    assert (await shop.link_row(second))["revoked_at"] is None
    again = await shop.ask("POST", f"/v1/links/{first}/revoke", idempotency_key="r-1")
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_foreign_link_is_neither_read_nor_revoked(shop: Caller, stranger: Caller) -> None:
    link = await shop.seed_link()
    message = await shop.seed_message(link)
    for method, path in (
        ("GET", f"/v1/links/{link}"),
        ("POST", f"/v1/links/{link}/revoke"),
        ("GET", f"/v1/messages/{message}"),
    ):
        refused = await stranger.ask(method, path)
        assert (refused.status, refused.code) == (404, "not_found")
    assert (await shop.link_row(link))["revoked_at"] is None
    assert (
        await shop.owner.fetchval("SELECT status FROM magiclink.messages WHERE id = $1", message) == "queued"
    )


async def test_redis_learns_of_a_revocation(shop: Caller, cache: Cache) -> None:
    link = await shop.seed_link()
    await shop.ask("POST", f"/v1/links/{link}/revoke")
    value = await cache._client.get(f"ml:{{{link}}}:claim")
    assert value == f"revoked {shop.app_id}".encode()
    keep_ms = await cache._client.pttl(f"ml:{{{link}}}:claim")
    assert 1_400_000 < keep_ms <= 1_500_000  # the link's life, and some grace


async def test_revoking_works_without_redis(
    http: aiohttp.ClientSession, issuer_pool: Pool, owner: Pool
) -> None:
    nowhere = Cache("redis://127.0.0.1:1/0", budget_seconds=0.05)
    alone = await start_replica(issuer_pool, nowhere)
    shop = await new_caller(http, alone, owner)
    link = await shop.seed_link()
    assert (await shop.ask("POST", f"/v1/links/{link}/revoke")).status == 200
    assert (await shop.link_row(link))["revoked_at"] is not None
    await alone.close()
    await nowhere.close()


async def test_a_link_tells_its_messages_and_its_timeline(shop: Caller) -> None:
    link = await shop.seed_link()
    message = await shop.seed_message(link, "accepted")
    await shop.owner.execute(_SEED_ATTEMPT, message, 1, "try_later", "450 mailbox busy")
    await shop.owner.execute(_SEED_ATTEMPT, message, 2, "accepted", "250 2.0.0 queued")
    read = await shop.ask("GET", f"/v1/links/{link}")
    assert read.status == 200
    assert (read.body["link"]["status"], read.body["link"]["state"]) == ("issued", {"b": 1, "a": 2})
    assert not {"url", "token", "passcode"} & read.body["link"].keys()
    (told,) = read.body["messages"]
    assert (told["id"], told["recipient"]) == (str(message), "ann@shop.example")
    events = [event["event"] for event in read.body["timeline"]]
    assert events == ["issued", "queued", "sending", "try_later", "sending", "accepted"]
    assert read.body["timeline"][3]["detail"] == "450 mailbox busy"
    times = [event["at"] for event in read.body["timeline"]]
    assert times == sorted(times)


@pytest.mark.parametrize("words", ["550 no such user <ann@shop.example>", "550 ANN@Shop.Example unknown"])
async def test_recipients_are_masked_for_keys_that_may_not_read_messages(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool, words: str
) -> None:
    limited = await new_caller(http, replica, owner, ["links:create"])
    link = await limited.seed_link()
    message = await limited.seed_message(link, "failed")
    await owner.execute(_SEED_ATTEMPT, message, 1, "failed", words)
    await owner.execute("UPDATE magiclink.messages SET last_error = $2 WHERE id = $1", message, words)
    read = await limited.ask("GET", f"/v1/links/{link}")
    assert read.body["messages"][0]["recipient"] == "a•••@shop.example"
    assert "ann@shop.example" not in str(read.body).lower()
    assert (await limited.ask("GET", f"/v1/messages/{message}")).status == 403


async def test_a_message_tells_its_attempts(shop: Caller) -> None:
    message = await shop.seed_message(await shop.seed_link(), "accepted")
    await shop.owner.execute(_SEED_ATTEMPT, message, 1, "accepted", "250 ok")
    read = await shop.ask("GET", f"/v1/messages/{message}")
    assert (read.status, read.body["id"], read.body["channel"]) == (200, str(message), "email")
    assert [attempt["detail"] for attempt in read.body["message_attempts"]] == ["250 ok"]


async def test_a_body_that_would_be_ignored_is_refused(shop: Caller) -> None:
    link = await shop.seed_link()
    refused = await shop.ask("POST", f"/v1/links/{link}/revoke", {"at": "tomorrow"})
    assert refused.status == 422
    assert (await shop.link_row(link))["revoked_at"] is None
