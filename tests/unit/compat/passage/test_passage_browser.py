"""What a browser calls without a key: activation, waiting, refreshing, signing out, and from which pages."""

from typing import Any

import pytest

from services.compat.passage.activation import BrowserApi
from services.compat.passage.app_info import AppApi
from services.compat.passage.errors import CORS, PassageRefusal
from shared.errors import Unavailable
from tests.unit.compat.passage.conftest import (
    APP,
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
EXPIRES = "2026-03-01T00:00:00Z"
SESSION = {"id": "018f0000-0000-7000-8000-0000000000bb", "expires_at": EXPIRES}
REDEEMED = {
    "status": "consumed",
    "link": {
        "user_id": str(USER_ID),
        "redirect_url": "https://shop.example/reports/1",
        "metadata": {"redirect_url": "/reports/1"},
    },
    "user": USER,
    "jwt": "a.b.c",
    "session": SESSION,
    "refresh_token": "refresh1",
}
RESULT = {
    "auth_token": "a.b.c",
    "redirect_url": "/reports/1",
    "refresh_token": "refresh1",
    "refresh_token_expiration": 1_772_323_200,
}
VERIFY, POLL = "POST /v1/links/verify", "POST /v1/links/poll"
PAGE = "https://shop.example"


def api_of(bench: Bench) -> BrowserApi:
    return BrowserApi(bench.callers, bench.attempts)


def asked_of(bench: Bench, name: str) -> list[Any]:
    return [body for asked, body in bench.native.asked if asked == name]


async def test_activation_signs_in_with_the_redirect_as_it_was_written(bench: Bench) -> None:
    bench.native.answers[VERIFY] = REDEEMED
    answer = await api_of(bench).activate(call("PATCH", "/", {"magic_link": TEXT}, User_Agent="Firefox"))
    assert body_of(answer) == {"auth_result": RESULT}
    asked = asked_of(bench, VERIFY)[0]
    assert asked["token"] == "token1"
    assert asked["client"] == {"ip": "192.0.2.1", "user_agent": "Firefox"}
    assert (asked["jwt"], asked["session"], asked["user_id"]) == (True, {"refresh": True}, str(USER_ID))


async def test_the_link_of_an_imported_user_is_held_against_that_user(bench: Bench) -> None:
    bench.native.answers = {VERIFY: REDEEMED, "GET /v1/users": {"items": [{**USER, "public_id": "old.id"}]}}
    await api_of(bench).activate(call("PATCH", "/", {"magic_link": "ml.poll1.old.id.token1"}))
    assert asked_of(bench, VERIFY)[0]["user_id"] == str(USER_ID)


async def test_an_app_without_refresh_tokens_gets_none(bench: Bench) -> None:
    bench.app = settings_of(APP, vendor_settings={"refresh_enabled": False})
    bench.native.answers[VERIFY] = {**REDEEMED, "refresh_token": None}
    answer = await api_of(bench).activate(call("PATCH", "/", {"magic_link": TEXT}))
    assert body_of(answer)["auth_result"].keys() == {"auth_token", "redirect_url"}
    assert asked_of(bench, VERIFY)[0]["session"] == {"refresh": False}


@pytest.mark.parametrize(
    "text", ["", "token1", "ml.poll1.token1", f"ml.poll1.{PUBLIC_ID}.", "ml.poll1.nobody.token1"]
)
async def test_a_text_that_is_no_link_of_a_user_here_is_refused_before_anything_is_redeemed(
    bench: Bench, text: str
) -> None:
    bench.native.answers["GET /v1/users"] = {"items": []}
    with pytest.raises(PassageRefusal) as refusal:
        await api_of(bench).activate(call("PATCH", "/", {"magic_link": text}))
    assert (refusal.value.told.status, refusal.value.told.code) == (404, "magic_link_not_found")
    assert asked_of(bench, VERIFY) == []


async def test_the_same_attempt_goes_on_after_an_outage(bench: Bench) -> None:
    api = api_of(bench)
    keys: list[str | None] = []

    async def verify(_method: str, _path: str, _body: Any = None, *, key: str | None = None) -> Any:
        keys.append(key)
        if len(keys) == 1:
            raise Unavailable
        return REDEEMED

    bench.native.verifier = verify  # type: ignore[method-assign,assignment]
    with pytest.raises(Unavailable):
        await api.activate(call("PATCH", "/", {"magic_link": TEXT}))
    await api.activate(call("PATCH", "/", {"magic_link": TEXT}))
    assert keys[0] is not None
    assert keys[0] == keys[1]


async def test_who_waits_is_signed_in_once_the_link_was_activated(bench: Bench) -> None:
    bench.native.answers[POLL] = REDEEMED
    answer = await api_of(bench).status(call("POST", "/", {"id": "poll1"}))
    assert body_of(answer) == {"auth_result": RESULT}
    assert asked_of(bench, POLL) == [{"poll_token": "poll1", "jwt": True, "session": {"refresh": True}}]


@pytest.mark.parametrize(
    "polled",
    [{"status": "issued", "link": {}}, {"status": "expired", "link": {}}, {"status": "consumed", "link": {}}],
)
async def test_who_waits_for_a_link_that_was_not_activated_is_told_of_none(
    bench: Bench, polled: dict[str, Any]
) -> None:
    bench.native.answers[POLL] = polled
    with pytest.raises(PassageRefusal) as refusal:
        await api_of(bench).status(call("POST", "/", {"id": "poll1"}))
    assert (refusal.value.told.status, refusal.value.told.code) == (404, "magic_link_not_found")


async def test_a_refresh_gives_the_next_token_and_a_jwt(bench: Bench) -> None:
    bench.native.answers = {
        "POST /v1/sessions/refresh": {"session": SESSION, "refresh_token": "refresh2", "user": USER},
        f"POST /v1/sessions/{SESSION['id']}/jwt": {"jwt": "d.e.f", "jwt_expires_at": EXPIRES},
    }
    answer = await api_of(bench).refresh(call("POST", "/", {"refresh_token": "refresh1"}))
    assert body_of(answer)["auth_result"] == {
        "auth_token": "d.e.f",
        "redirect_url": "https://shop.example/home",
        "refresh_token": "refresh2",
        "refresh_token_expiration": 1_772_323_200,
    }
    assert asked_of(bench, "POST /v1/sessions/refresh") == [{"refresh_token": "refresh1", "rotate": True}]


async def test_signing_out_twice_is_signed_out(bench: Bench) -> None:
    api = api_of(bench)
    for answer in ({"revoked": 1}, refused("session_invalid", 404), refused("refresh_token_invalid")):
        bench.native.answers["POST /v1/sessions/revoke"] = answer
        assert (await api.revoke(call("DELETE", "/?refresh_token=refresh1"))).status == 200
    assert asked_of(bench, "POST /v1/sessions/revoke")[0] == {"refresh_token": "refresh1"}
    with pytest.raises(PassageRefusal, match="refresh_token"):
        await api.revoke(call("DELETE", "/"))


async def test_an_unknown_app_is_the_vendors_app_not_found(bench: Bench) -> None:
    bench.app = settings_of(APP)
    with pytest.raises(PassageRefusal) as refusal:
        await api_of(bench).status(call("POST", "/", {"id": "x"}, match={"app_id": "another"}))
    assert (refusal.value.told.status, refusal.value.told.code) == (404, "app_not_found")


# Pages that may call ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (PAGE, True),
        ("https://reports.example:8443", True),
        ("https://reports.example", False),
        ("http://shop.example", False),
        ("https://shop.example.evil.example", False),
        ("null", False),
    ],
)
async def test_only_the_apps_own_pages_may_read_answers(bench: Bench, origin: str, *, may: bool) -> None:
    asked = call("OPTIONS", "/", Origin=origin, Access_Control_Request_Headers="content-type,passage-version")
    answer = await bench.callers.preflight(asked)
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    assert (answer.status, allowed) == (204, origin if may else None)
    assert ("Access-Control-Allow-Headers" in answer.headers) is may
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_header_names_are_not_echoed_unless_they_are_names(bench: Bench) -> None:
    asked = call("OPTIONS", "/", Origin=PAGE, Access_Control_Request_Headers="a;b")
    answer = await bench.callers.preflight(asked)
    assert "Access-Control-Allow-Headers" not in answer.headers


async def test_refusals_can_be_read_by_the_apps_pages(bench: Bench) -> None:
    asked = call("PATCH", "/", {"magic_link": "garbage"}, Origin=PAGE)
    with pytest.raises(PassageRefusal):
        await api_of(bench).activate(asked)
    assert asked.request[CORS]["Access-Control-Allow-Origin"] == PAGE


async def test_vendor_settings_that_are_no_url_allow_nothing(bench: Bench) -> None:
    bench.app = settings_of(APP, vendor_settings={"auth_origin": "not a url"})
    answer = await bench.callers.preflight(call("OPTIONS", "/", Origin="not a url"))
    assert "Access-Control-Allow-Origin" not in answer.headers


# The app ------------------------------------------------------------------------------------------------------------------

RSA_KEY = {
    "kty": "RSA",
    "use": "sig",
    "alg": "RS256",
    "kid": "k1",
    "e": "AQAB",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs",
}
JWKS = {
    "keys": [{"kty": "OKP", "kid": "k2", "use": "sig", "alg": "EdDSA", "crv": "Ed25519", "x": "x"}, RSA_KEY]
}


async def test_keys_are_told_as_every_vendors_parser_wants_them(bench: Bench) -> None:
    bench.native.answers["GET /.well-known/jwks.json"] = JWKS
    answer = await AppApi(bench.callers).jwks(call("GET", "/"))
    extra = {"key_ops": ["verify"], "x5c": [], "x5tS256": "", "x5t#S256": ""}
    assert body_of(answer) == {"keys": [{**RSA_KEY, **extra}]}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age" in answer.headers["Cache-Control"]


async def test_the_app_is_told_with_every_member_that_the_older_sdks_need(bench: Bench) -> None:
    bench.native.answers["GET /.well-known/jwks.json"] = JWKS
    bench.app = settings_of(APP, vendor_settings={"app": {"public_signup": False, "id": "stolen"}})
    told = body_of(await AppApi(bench.callers).read(call("GET", "/")))["app"]
    assert (told["id"], told["name"], told["auth_origin"], told["hosted"]) == (
        "app24",
        "Shop",
        "https://shop.example",
        False,
    )
    assert told["public_signup"] is False
    assert told["redirect_url"] == "https://shop.example/home"
    assert told.keys() >= {
        "additional_auth_origins", "allowed_callback_urls", "allowed_identifier", "allowed_logout_urls",
        "application_login_uri", "auth_fallback_method", "auth_fallback_method_ttl", "auth_methods", "auth_origin",
        "auto_theme_enabled", "created_at", "default_language", "id", "layouts", "login_url", "name", "hosted",
        "hosted_subdomain", "hosted_theme", "passage_branding", "profile_management", "public_signup", "redirect_url",
        "refresh_absolute_lifetime", "refresh_enabled", "refresh_inactivity_lifetime", "require_email_verification",
        "require_identifier_verification", "required_identifier", "role", "rsa_public_key", "session_timeout_length",
        "type", "user_metadata_schema", "technologies", "element_customization", "element_customization_dark",
    }  # fmt: skip
    assert None not in told.values()
