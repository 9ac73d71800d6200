"""`/v1/webhooks` over HTTP: made with a secret that is told once, listed without it, tried, deleted, and nobody else's."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.database import Pool
from shared.webhooks import secret_of
from tests.integration.issuer_tenancy.bench import RING, Caller

HOOK = {"url": "https://shop.example/hooks", "events": ["link.revoked", "link.consumed"]}


async def test_an_endpoint_is_made_with_a_secret_that_no_later_answer_tells(
    shop: Caller, owner: Pool
) -> None:
    made = await shop.ask("POST", "/v1/webhooks", HOOK, idempotency_key="k1")
    assert made.status == 201
    assert made.body["events"] == ["link.consumed", "link.revoked"]
    assert made.body["secret"] == secret_of(RING, "1", UUID(made.body["id"]))
    again = await shop.ask("POST", "/v1/webhooks", HOOK, idempotency_key="k1")
    assert again.body == made.body
    assert again.headers["Idempotency-Replayed"] == "true"
    told = {name: value for name, value in made.body.items() if name != "secret"}
    assert (await shop.ask("GET", f"/v1/webhooks/{made.body['id']}")).body == told
    assert (await shop.ask("GET", "/v1/webhooks")).body == {"items": [told], "next_cursor": None}
    row = await owner.fetchrow(
        "SELECT w::text FROM magiclink.webhook_endpoints w WHERE id = $1", UUID(told["id"])
    )
    kept = await owner.fetch(
        "SELECT answer::text FROM magiclink.idempotency_keys WHERE app_id = $1", UUID(shop.app_id)
    )
    assert made.body["secret"] not in str([row, *kept])


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({"url": "ftp://shop.example/"}, "url", "redirect_scheme"),
        ({"url": "http://shop.example/hooks"}, "url", "redirect_https_only"),
        ({"url": "https://user:password@shop.example/"}, "url", "redirect_userinfo"),
        ({"url": "https://shop.example/", "events": ["link.burned"]}, "events", "event_unknown"),
        ({"url": "https://shop.example/", "events": ["message.queued"]}, "events", "event_unknown"),
        ({"events": []}, "url", "missing"),
    ],
)
async def test_a_bad_endpoint_is_refused_by_field_and_rule(
    shop: Caller, body: dict[str, Any], field: str, rule: str
) -> None:
    refused = await shop.ask("POST", "/v1/webhooks", body)
    assert refused.status == 422
    assert refused.rules == {field: rule}


async def test_an_app_has_twenty_endpoints_at_most(shop: Caller) -> None:
    made = [await shop.ask("POST", "/v1/webhooks", HOOK) for _ in range(21)]
    assert [answer.status for answer in made] == [201] * 20 + [422]
    assert made[20].rules == {"url": "too_many_webhooks"}


async def test_those_that_are_made_at_once_are_twenty_at_most(shop: Caller) -> None:
    made = await asyncio.gather(*(shop.ask("POST", "/v1/webhooks", HOOK) for _ in range(40)))
    assert sorted(answer.status for answer in made) == [201] * 20 + [422] * 20


async def test_a_deleted_endpoint_is_gone(shop: Caller) -> None:
    made = await shop.ask("POST", "/v1/webhooks", HOOK)
    path = f"/v1/webhooks/{made.body['id']}"
    assert (await shop.ask("DELETE", path)).status == 204
    assert (await shop.ask("DELETE", path)).code == "not_found"
    assert (await shop.ask("GET", path)).code == "not_found"


async def test_a_test_event_names_its_endpoint_and_goes_out_once_for_each_key(
    shop: Caller, owner: Pool
) -> None:
    endpoint_id = (await shop.ask("POST", "/v1/webhooks", HOOK)).body["id"]
    path = f"/v1/webhooks/{endpoint_id}/test"
    sent = await shop.ask("POST", path, {}, idempotency_key="t1")
    assert sent.status == 202
    assert (await shop.ask("POST", path, {}, idempotency_key="t1")).body == sent.body
    rows = await owner.fetch("SELECT * FROM magiclink.outbox WHERE key = $1", endpoint_id)
    (event,) = [orjson.loads(row["value"]) for row in rows]
    assert event["id"] == sent.body["event_id"]
    assert event["data"] == {"webhook_id": endpoint_id, "app_id": shop.app_id}


async def test_another_app_sees_and_touches_none_of_it(shop: Caller, stranger: Caller) -> None:
    path = f"/v1/webhooks/{(await shop.ask('POST', '/v1/webhooks', HOOK)).body['id']}"
    assert (await stranger.ask("GET", path)).code == "not_found"
    assert (await stranger.ask("DELETE", path)).code == "not_found"
    assert (await stranger.ask("POST", f"{path}/test", {})).code == "not_found"
    assert (await stranger.ask("GET", "/v1/webhooks")).body["items"] == []
    assert (await shop.ask("GET", path)).status == 200
    assert (await shop.ask("GET", f"/v1/webhooks/{uuid4()}")).code == "not_found"
