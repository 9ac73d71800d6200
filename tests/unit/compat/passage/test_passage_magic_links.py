"""What a request for a magic link becomes, and what is told of the link."""

from dataclasses import replace
from typing import Any

import pytest

from services.compat.passage.errors import PassageRefusal
from services.compat.passage.magic_link_text import MagicLinkText
from services.compat.passage.magic_links import MagicLinksApi, NewMagicLink, native_request, url_template
from services.compat.passage.shapes import magic_link
from shared.errors import Forbidden, Invalid, Unauthorized
from tests.unit.compat.passage.conftest import (
    APP,
    KEY,
    PUBLIC_ID,
    USER,
    USER_ID,
    Bench,
    body_of,
    call,
    refused,
    settings_of,
)

TEXT = f"ml.poll1.{PUBLIC_ID}.token1"
LINK = {
    "id": "018f0000-0000-7000-8000-0000000000aa",
    "user_id": str(USER_ID),
    "type": "login",
    "url": f"https://shop.example/?psg_magic_link={TEXT}",
    "created_at": "2026-02-01T10:00:00Z",
    "expires_at": "2026-02-01T11:00:00Z",
}
AUTHORIZATION = f"Bearer {KEY}"


async def make(bench: Bench, **asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the native request and the answer."""
    bench.native.answers.setdefault("POST /v1/links", {"link": LINK, "message": None, "user_created": True})
    api = MagicLinksApi(bench.callers)
    answer = await api.create(call("POST", "/", asked, Authorization=AUTHORIZATION))
    assert answer.status == 201
    return bench.native.asked[-1][1], body_of(answer)["magic_link"]


async def test_a_link_by_address_is_made_without_sending_and_told_whole(bench: Bench) -> None:
    asked, told = await make(
        bench, email="ada@example.com", channel="email", send=False, type="login", redirect_url="/reports/1"
    )
    assert asked == {
        "email": "ada@example.com",
        "type": "login",
        "url_template": "https://shop.example/?psg_magic_link=ml.{poll_token}.{user_id}.{token}",
        "channel": "none",
        "redirect_url": "/reports/1",
        "metadata": {"redirect_url": "/reports/1"},
    }
    assert told == {
        "activated": False,
        "app_id": "app24",
        "id": "poll1",
        "identifier": "ada@example.com",
        "redirect_url": "/reports/1",
        "secret": "token1",
        "ttl": 60,
        "type": "login",
        "url": LINK["url"],
        "user_id": PUBLIC_ID,
    }


async def test_every_parameter_reaches_the_native_api(bench: Bench) -> None:
    asked, told = await make(
        bench,
        phone="+15005550006",
        channel="phone",
        send=True,
        type="verify_identifier",
        magic_link_path="/quotes?ref=1",
        ttl=12,
        language="pt-BR",
    )
    assert asked["channel"] == "sms"
    assert asked["verify_address"] is True
    assert asked["ttl_seconds"] == 720
    assert asked["locale"] == "pt-BR"
    assert asked["type"] == "verify_identifier"
    assert asked["url_template"].startswith("https://shop.example/quotes?ref=1&psg_magic_link=ml.")
    assert (told["ttl"], told["redirect_url"]) == (12, "https://shop.example/home")


async def test_a_language_that_is_none_is_left_to_the_apps_default(bench: Bench) -> None:
    asked, _ = await make(bench, email="ada@example.com", language="klingon!")
    assert "locale" not in asked


async def test_a_user_is_named_by_the_id_that_passage_gave(bench: Bench) -> None:
    bench.native.answers[f"GET /v1/users/{USER_ID}"] = USER
    asked, told = await make(bench, user_id=PUBLIC_ID, channel="email", send=True)
    assert (asked["user_id"], told["identifier"]) == (str(USER_ID), "ada@example.com")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "exactly one"),
        ({"email": "", "phone": ""}, "exactly one"),
        ({"email": "a@b.co", "phone": "+15005550006"}, "exactly one"),
        ({"email": "a@b.co", "send": True}, "channel"),
        ({"email": "a@b.co", "channel": "phone"}, "channel"),
        ({"user_id": PUBLIC_ID, "channel": "phone", "send": True}, "has no phone"),
    ],
)
async def test_what_does_not_go_together_is_an_invalid_request(
    bench: Bench, asked: dict[str, Any], words: str
) -> None:
    bench.native.answers[f"GET /v1/users/{USER_ID}"] = USER
    with pytest.raises(PassageRefusal, match=words) as refusal:
        await make(bench, **asked)
    assert (refusal.value.told.status, refusal.value.told.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    "asked",
    [{"ttl": 0}, {"ttl": "5"}, {"ttl": 1.5}, {"send": "yes"}, {"type": "invite"}, {"channel": "whatsapp"}, {"email": 5}],
)  # fmt: skip
async def test_wrong_types_and_values_are_refused(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await make(bench, **{"email": "ada@example.com", **asked})
    assert bench.native.asked == []


async def test_an_unknown_user_is_the_vendors_user_not_found(bench: Bench) -> None:
    bench.native.answers["GET /v1/users"] = {"items": [], "next_cursor": None}
    for user_id in ("nobody", PUBLIC_ID, "x" * 300):
        with pytest.raises(PassageRefusal) as refusal:
            await make(bench, user_id=user_id, channel="email")
        assert refusal.value.told.code == "user_not_found"


@pytest.mark.parametrize(
    "authorization", ["", KEY, f"Basic {KEY}", "Bearer ", "Bearer mlk_other", "Bearer caf\xe9"]
)
async def test_a_call_without_a_good_key_is_unauthorized(bench: Bench, authorization: str) -> None:
    with pytest.raises(Unauthorized):
        await MagicLinksApi(bench.callers).create(call("POST", "/", {}, Authorization=authorization))


async def test_a_key_of_another_app_is_unauthorized(bench: Bench) -> None:
    bench.app = replace(APP, vendor_id="another")
    with pytest.raises(Unauthorized):
        await MagicLinksApi(bench.callers).create(call("POST", "/", {}, Authorization=AUTHORIZATION))


async def test_a_key_that_may_not_see_urls_is_told_so(bench: Bench) -> None:
    bench.native.answers["POST /v1/links"] = {"link": {**LINK, "url": None}}
    with pytest.raises(Forbidden, match="links:reveal"):
        await make(bench, email="ada@example.com")


async def test_a_native_refusal_passes_through(bench: Bench) -> None:
    bench.native.answers["POST /v1/links"] = refused("rate_limited", 429)
    with pytest.raises(type(refused("x")), match="refused"):
        await make(bench, email="ada@example.com")


def test_the_links_page_is_the_apps_login_page_unless_told_otherwise(bench: Bench) -> None:
    form = "psg_magic_link=ml.{poll_token}.{user_id}.{token}"
    assert url_template(bench.account, None) == f"https://shop.example/?{form}"
    assert url_template(bench.account, "custom/path") == f"https://shop.example/custom/path?{form}"
    bench.app = settings_of(
        APP, vendor_settings={"auth_origin": "https://auth.shop.example", "login_url": "/signin"}
    )
    assert url_template(bench.account, None) == f"https://auth.shop.example/signin?{form}"
    bench.app = settings_of(APP, base_url=None)
    with pytest.raises(PassageRefusal, match="base_url"):
        url_template(bench.account, None)


def test_only_what_was_sent_verifies_its_address(bench: Bench) -> None:
    from services.compat.passage.magic_links import Recipient

    recipient = Recipient({"email": "ada@example.com"}, "ada@example.com", "email")
    unsent = native_request(bench.account, NewMagicLink(email="ada@example.com"), recipient)
    assert "verify_address" not in unsent


def test_a_links_life_is_told_in_minutes() -> None:
    text = MagicLinkText("poll1", PUBLIC_ID, "token1")
    told = magic_link(APP, {**LINK, "expires_at": "2026-02-01T10:01:30Z"}, text, {"identifier": "a@b.co"})
    assert told["ttl"] == 2
    told = magic_link(APP, {**LINK, "expires_at": "2026-02-01T10:00:30Z"}, text, {"identifier": "a@b.co"})
    assert told["ttl"] == 1
