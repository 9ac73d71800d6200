import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp

from shared.api_keys import CHANGED_CHANNEL, hash_key
from shared.cache import Cache
from shared.changes import forget_on_change
from shared.database import Pool
from tests.integration.issuer_tenancy.bench import Caller, Replica, new_caller, start_replica


async def make_key(caller: Caller, **body: object) -> Caller:
    made = await caller.ask(
        "POST", f"/v1/apps/{caller.app_id}/keys", {"name": "k", "scopes": ["users:read"], **body}
    )
    assert made.status == 201, made.body
    return Caller(caller.http, caller.replica, caller.owner, caller.app_id, made.body["key"])


async def test_a_new_key_works_and_is_told_once(shop: Caller) -> None:
    made = await shop.ask(
        "POST", f"/v1/apps/{shop.app_id}/keys", {"name": "web", "scopes": ["users:read", "users:read"]}
    )
    assert made.status == 201
    assert made.body["key"].startswith(made.body["prefix"])
    assert made.body["scopes"] == ["users:read"]
    holder = Caller(shop.http, shop.replica, shop.owner, shop.app_id, made.body["key"])
    assert (await holder.ask("GET", "/v1/users")).status == 200
    listed = await shop.ask("GET", f"/v1/apps/{shop.app_id}/keys")
    of_it = next(key for key in listed.body["items"] if key["id"] == made.body["id"])
    assert "key" not in of_it
    assert made.body["key"] not in str(listed.body)


async def test_the_database_keeps_only_the_hash_of_a_key(shop: Caller) -> None:
    holder = await make_key(shop)
    rows = await shop.owner.fetch(
        "SELECT k::text AS text FROM magiclink.api_keys k WHERE hash = $1", hash_key(holder.key)
    )
    assert len(rows) == 1
    assert holder.key.rpartition("_")[2] not in rows[0]["text"]


async def test_a_key_grants_only_scopes_it_has(shop: Caller) -> None:
    for scopes in (["apps:admin"], ["users:read", "apps:admin"]):
        refused = await shop.ask("POST", f"/v1/apps/{shop.app_id}/keys", {"name": "k", "scopes": scopes})
        assert (refused.status, refused.code) == (403, "forbidden")
    writer = await make_key(shop, scopes=["apps:write"])
    refused = await writer.ask(
        "POST", f"/v1/apps/{shop.app_id}/keys", {"name": "k", "scopes": ["users:read"]}
    )
    assert refused.status == 403


async def test_unknown_scopes_and_past_expiries_are_refused(shop: Caller) -> None:
    path = f"/v1/apps/{shop.app_id}/keys"
    unknown = await shop.ask("POST", path, {"name": "k", "scopes": ["links:all"]})
    assert unknown.rules == {"scopes": "scope_unknown"}
    past = await shop.ask(
        "POST", path, {"name": "k", "scopes": ["users:read"], "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert past.rules == {"expires_at": "expiry_past"}
    assert len((await shop.ask("GET", path)).body["items"]) == 1


async def test_keys_of_a_foreign_app_can_be_neither_made_nor_seen_nor_revoked(
    shop: Caller, stranger: Caller
) -> None:
    path = f"/v1/apps/{shop.app_id}/keys"
    key_id = (await shop.ask("GET", path)).body["items"][0]["id"]
    asked = [
        await stranger.ask("GET", path),
        await stranger.ask("POST", path, {"name": "k", "scopes": ["users:read"]}),
        await stranger.ask("DELETE", f"{path}/{key_id}"),
        # The own app in the path does not open the way to a foreign key.
        await stranger.ask("DELETE", f"/v1/apps/{stranger.app_id}/keys/{key_id}"),
    ]
    assert [answer.status for answer in asked] == [404, 404, 404, 404]
    assert (await shop.ask("GET", path)).body["items"][0]["revoked_at"] is None


async def test_a_replay_gives_the_same_key_id_and_never_the_key(shop: Caller) -> None:
    path, body = f"/v1/apps/{shop.app_id}/keys", {"name": "k", "scopes": ["users:read"]}
    first = await shop.ask("POST", path, body, idempotency_key="key-1")
    again = await shop.ask("POST", path, body, idempotency_key="key-1")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body == {**first.body, "key": None}
    kept = await shop.owner.fetch("SELECT answer::text FROM magiclink.idempotency_keys")
    assert first.body["key"] not in str(kept)


async def test_a_revoked_key_is_refused_at_once_on_every_replica(
    shop: Caller, issuer_pool: Pool, cache: Cache
) -> None:
    other = await start_replica(issuer_pool, cache)
    listening = asyncio.create_task(forget_on_change(cache, other.api_keys.forget))
    holder = await make_key(shop)
    elsewhere = Caller(shop.http, other, shop.owner, shop.app_id, holder.key)
    await until_listened(cache)
    assert [(await caller.ask("GET", "/v1/users")).status for caller in (holder, elsewhere)] == [200, 200]

    path = f"/v1/apps/{shop.app_id}/keys"
    key_id = (await shop.ask("GET", path)).body["items"][-1]["id"]
    assert (await shop.ask("DELETE", f"{path}/{key_id}")).status == 204
    assert (await holder.ask("GET", "/v1/users")).status == 401
    async with asyncio.timeout(2):  # well below the five seconds of the cache
        while (await elsewhere.ask("GET", "/v1/users")).status == 200:
            await asyncio.sleep(0.02)
    assert (await shop.ask("DELETE", f"{path}/{key_id}")).status == 204

    listening.cancel()
    await asyncio.wait([listening])
    await other.close()


async def until_listened(cache: Cache) -> None:
    async with asyncio.timeout(5):
        while not await cache._client.execute_command("PUBLISH", CHANGED_CHANNEL, "hello"):
            await asyncio.sleep(0.02)


async def test_an_administrator_needs_no_other_scope_for_apps(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool, shop: Caller
) -> None:
    admin = await new_caller(http, replica, owner, ["apps:admin"])
    assert (await admin.ask("GET", f"/v1/apps/{shop.app_id}")).status == 200
    made = await admin.ask("POST", f"/v1/apps/{shop.app_id}/keys", {"name": "k", "scopes": ["apps:read"]})
    assert (made.status, made.body["app_id"]) == (201, shop.app_id)


LIMITS = {
    "types": ["login", "invite"],
    "redirect_urls": ["https://shop.example/in/*"],
    "max_ttl_seconds": 600,
    "recipient_domains": ["BÜCHER.example", "shop.example"],
}


async def test_a_key_is_made_as_narrow_as_asked_and_shown_so(shop: Caller) -> None:
    path = f"/v1/apps/{shop.app_id}/keys"
    made = await shop.ask("POST", path, {"name": "k", "scopes": ["links:create"], **LIMITS})
    assert made.status == 201
    kept = {
        **LIMITS,
        "types": ["invite", "login"],
        "recipient_domains": ["shop.example", "xn--bcher-kva.example"],
    }
    assert {name: made.body[name] for name in LIMITS} == kept
    listed = (await shop.ask("GET", path)).body["items"]
    assert {name: listed[-1][name] for name in LIMITS} == kept
    assert {name: listed[0][name] for name in LIMITS} == dict.fromkeys(LIMITS)


async def test_limits_that_make_no_sense_are_refused_all_at_once(shop: Caller) -> None:
    refused = await shop.ask(
        "POST",
        f"/v1/apps/{shop.app_id}/keys",
        {
            "name": "k",
            "scopes": ["links:create"],
            "types": ["logon"],
            "redirect_urls": ["http://shop.example/"],
            "max_ttl_seconds": 5,
            "recipient_domains": ["*.example"],
        },
    )
    assert refused.rules == {
        "types.0": "literal_error",
        "redirect_urls": "redirect_https_only",
        "max_ttl_seconds": "greater_than_equal",
        "recipient_domains": "domain_format",
    }


async def test_a_key_makes_no_key_that_goes_further_than_itself(shop: Caller) -> None:
    maker = await make_key(shop, scopes=["apps:write", "links:create"], **LIMITS)
    path, wanted = f"/v1/apps/{shop.app_id}/keys", {"name": "k", "scopes": ["links:create"]}
    for wider in (
        {},
        {**LIMITS, "types": ["verify_identifier"]},
        {**LIMITS, "redirect_urls": ["https://shop.example/*"]},
        {**LIMITS, "max_ttl_seconds": 601},
        {**LIMITS, "recipient_domains": None},
    ):
        refused = await maker.ask("POST", path, {**wanted, **wider})
        assert (refused.status, refused.code) == (403, "forbidden"), wider
    assert (await maker.ask("POST", path, {**wanted, **LIMITS})).status == 201


async def test_a_key_makes_no_key_that_outlives_it(shop: Caller) -> None:
    ends_at = datetime.now(UTC) + timedelta(days=1)
    maker = await make_key(shop, scopes=["apps:write"], expires_at=ends_at.isoformat())
    path, wanted = f"/v1/apps/{shop.app_id}/keys", {"name": "k", "scopes": ["apps:write"]}
    for later in (None, (ends_at + timedelta(seconds=1)).isoformat()):
        assert (await maker.ask("POST", path, {**wanted, "expires_at": later})).status == 403
    assert (await maker.ask("POST", path, {**wanted, "expires_at": ends_at.isoformat()})).status == 201


async def test_a_key_that_administers_apps_is_held_to_its_limits_too(operator: Caller, shop: Caller) -> None:
    maker = await make_key(operator, scopes=["apps:admin"], max_ttl_seconds=600)
    path = f"/v1/apps/{shop.app_id}/keys"
    assert (await maker.ask("POST", path, {"name": "k", "scopes": ["apps:read"]})).status == 403
    narrow = {"name": "k", "scopes": ["apps:read"], "max_ttl_seconds": 600}
    assert (await maker.ask("POST", path, narrow)).status == 201
