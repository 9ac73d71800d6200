"""Keys that may ask for less than their app allows, over HTTP."""

from typing import Any

import asyncpg
import pytest

from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import BASE_URL, Seeds


@pytest.fixture
async def narrow(issuer: RunningIssuer, owner: asyncpg.Connection) -> RunningIssuer:
    """An issuer whose caller may ask for invites of five minutes to shop.example, into `/in/`."""
    await owner.execute(
        "UPDATE magiclink.api_keys SET types = ARRAY['invite'], redirect_urls = ARRAY[$2], max_ttl_seconds = 300,"
        " recipient_domains = ARRAY['shop.example'] WHERE id = $1",
        issuer.app.key_id,
        f"{BASE_URL}/in/*",
    )
    return issuer


GOOD = {"email": "ann@shop.example", "type": "invite", "redirect_url": "/in/x"}


async def test_what_the_key_may_ask_for_is_made_with_its_own_longest_life(
    narrow: RunningIssuer, owner: asyncpg.Connection
) -> None:
    status, body, _ = await narrow.post("/v1/links", GOOD)
    assert status == 201
    ttl = await owner.fetchval("SELECT ttl_seconds FROM magiclink.links WHERE app_id = $1", narrow.app.id)
    assert (ttl, body["link"]["redirect_url"]) == (300, f"{BASE_URL}/in/x")


async def test_every_limit_that_a_request_goes_past_is_named_at_once(narrow: RunningIssuer) -> None:
    request = {"email": "ann@other.example", "redirect_url": "/out", "ttl_seconds": 301, "channel": "sms"}
    status, body, _ = await narrow.post("/v1/links", request)
    assert status == 422
    assert [(problem["field"], problem["rule"]) for problem in body["errors"]] == [
        ("type", "type_not_allowed"),
        ("redirect_url", "redirect_not_allowed_for_key"),
        ("ttl_seconds", "ttl_too_long"),
        ("channel", "recipient_domain_not_allowed"),
        ("email", "recipient_domain_not_allowed"),
    ]


async def test_a_batch_is_held_against_the_key_item_by_item(narrow: RunningIssuer) -> None:
    _, body, _ = await narrow.post("/v1/links/batch", {"links": [GOOD, {**GOOD, "type": "login"}]})
    assert "link" in body["results"][0]
    assert body["results"][1]["error"]["errors"][0]["rule"] == "type_not_allowed"


async def test_a_default_redirect_outside_the_key_is_refused(
    narrow: RunningIssuer, owner: asyncpg.Connection
) -> None:
    sql = "UPDATE magiclink.apps SET default_redirect_url = $2 WHERE id = $1"
    await owner.execute(sql, narrow.app.id, f"{BASE_URL}/welcome")
    status, body, _ = await narrow.post("/v1/links", {"email": "ann@shop.example", "type": "invite"})
    assert (status, body["errors"][0]["rule"]) == (422, "redirect_not_allowed_for_key")
    assert "default_redirect_url" in body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("email", "channel", "status"),
    [("in@shop.example", "none", 201), ("in@shop.example", "email", 201), ("out@other.example", "none", 422),
     ("out@other.example", "email", 422)],
)  # fmt: skip
async def test_a_user_named_by_id_is_held_against_the_domains_by_todays_address(
    narrow: RunningIssuer, seeds: Seeds, email: str, channel: str, status: int
) -> None:
    user_id = await seeds.user(narrow.app, email)
    request: dict[str, Any] = {**GOOD, "user_id": str(user_id), "channel": channel}
    del request["email"]
    answered, body, _ = await narrow.post("/v1/links", request)
    assert answered == status
    if status == 422:
        assert body["errors"][0]["rule"] == "recipient_domain_not_allowed"
        assert "other" not in str(body)


async def test_a_link_that_the_key_could_not_ask_for_is_not_sent_by_it(
    issuer: RunningIssuer, narrow: RunningIssuer, owner: asyncpg.Connection, seeds: Seeds
) -> None:
    user_id = await seeds.user(issuer.app, "ann@shop.example")
    link = await seeds.link(issuer.app, type="invite", redirect_url=f"{BASE_URL}/out", ttl_seconds=900)
    await owner.execute("UPDATE magiclink.links SET user_id = $2 WHERE id = $1", link.id, user_id)
    status, body, _ = await narrow.post(f"/v1/links/{link.id}/send", {"channel": "email"})
    assert status == 422
    assert [(problem["field"], problem["rule"]) for problem in body["errors"]] == [
        ("redirect_url", "redirect_not_allowed_for_key"),
        ("ttl_seconds", "ttl_too_long"),
    ]
    sql = "UPDATE magiclink.links SET redirect_url = $2, ttl_seconds = 300 WHERE id = $1"
    await owner.execute(sql, link.id, f"{BASE_URL}/in/x")
    assert (await narrow.post(f"/v1/links/{link.id}/send", {"channel": "email"}))[0] == 200


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [("out@other.example", "new@shop.example", 403), ("in@shop.example", "new@other.example", 403),
     ("in@shop.example", "new@shop.example", 200)],
)  # fmt: skip
async def test_nobody_is_moved_into_the_domains_of_the_key_or_out_of_them(
    narrow: RunningIssuer, seeds: Seeds, before: str, after: str, status: int
) -> None:
    user_id = await seeds.user(narrow.app, before)
    url, headers = f"{narrow.url}/v1/users/{user_id}", narrow.app.headers
    async with narrow.session.patch(url, json={"email": after}, headers=headers) as response:
        assert response.status == status
    async with narrow.session.get(url, headers=headers) as response:
        assert (await response.json())["email"] == (after if status == 200 else before)
    async with narrow.session.patch(url, json={"metadata": {"a": 1}}, headers=headers) as response:
        assert response.status == 200


async def test_nobodys_texts_are_led_elsewhere_by_a_key_that_reaches_no_phone(
    narrow: RunningIssuer, seeds: Seeds
) -> None:
    user_id = await seeds.user(narrow.app, "ann@shop.example")
    url, headers = f"{narrow.url}/v1/users/{user_id}", narrow.app.headers
    for phone, status in (("+12025550123", 403), (None, 200)):
        async with narrow.session.patch(url, json={"phone": phone}, headers=headers) as response:
            assert response.status == status
