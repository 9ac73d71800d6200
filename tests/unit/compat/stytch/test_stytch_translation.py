"""Stytch's calls in native words, and native answers in Stytch's bodies."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from services.compat.stytch.email_links import link_form
from services.compat.stytch.ids import Ids
from services.compat.stytch.shapes import SESSION_CLAIM, factors, user_object
from services.compat.stytch.users import merged
from tests.unit.compat.stytch.conftest import (
    AT,
    PROJECT_ID,
    SESSION_ID,
    USER_ID,
    USER_NAME,
    Bench,
    link,
    problem,
    redeemed,
    session,
    user,
)

EMAIL_ID = f"email-test-{USER_ID}"
PHONE_ID = f"phone-number-test-{USER_ID}"
MADE = 201, {"link": link(channel="email"), "message": None, "user_created": False}


async def test_an_embeddable_link_is_a_link_that_nobody_sends(bench: Bench) -> None:
    bench.finds()
    bench.answers["POST /v1/links"] = 201, {"link": link(), "message": None, "user_created": False}
    body = {
        "user_id": USER_NAME,
        "expiration_minutes": 30,
        "attributes": {"ip_address": "192.0.2.1", "user_agent": ""},
    }
    status, told = await bench.call("POST", "/v1/magic_links", body)
    assert (status, told["user_id"], told["token"]) == (200, USER_NAME, "aToken")
    asked = {"user_id": USER_ID, "channel": "none", "ttl_seconds": 1800, "client": {"ip": "192.0.2.1"}}
    assert bench.body_of("POST /v1/links") == asked


async def test_a_secret_that_may_not_see_tokens_gets_none(bench: Bench) -> None:
    bench.answers["POST /v1/links"] = (
        201,
        {"link": {"user_id": USER_ID}, "user_created": False},
    )
    status, told = await bench.call("POST", "/v1/magic_links", {"user_id": USER_NAME})
    assert (status, told["error_type"]) == (403, "unauthorized_action")


async def test_an_endless_user_agent_does_not_stop_a_sign_in(bench: Bench) -> None:
    bench.answers["POST /v1/links/verify"] = 200, redeemed()
    asked = {"token": "aToken", "attributes": {"user_agent": "x" * 600}}
    assert (await bench.call("POST", "/v1/magic_links/authenticate", asked))[0] == 200
    assert bench.body_of("POST /v1/links/verify")["client"] == {"user_agent": "x" * 512}


async def test_authenticating_without_a_session_answers_empty_texts(bench: Bench) -> None:
    bench.answers["POST /v1/links/verify"] = 200, redeemed()
    status, told = await bench.call("POST", "/v1/magic_links/authenticate", {"token": "aToken"})
    assert status == 200
    assert (told["session"], told["session_token"], told["session_jwt"]) == (None, "", "")
    assert told["user_id"] == told["user"]["user_id"] == USER_NAME
    assert told["method_id"] == f"embeddable-magic-link-test-{USER_ID}"
    assert told["reset_sessions"] is False
    assert bench.body_of("POST /v1/links/verify") == {"token": "aToken", "jwt": False}


async def test_a_session_comes_with_a_jwt_that_holds_it_whole(bench: Bench) -> None:
    bench.answers["POST /v1/links/verify"] = 200, redeemed(session=session(), session_token="aSession")
    bench.answers[f"POST /v1/sessions/{SESSION_ID}/jwt"] = 200, {"jwt": "a.jwt.text", "jwt_expires_at": AT}
    asked = {
        "token": "aToken",
        "session_duration_minutes": 60,
        "session_custom_claims": {"plan": "gold", "iss": "ignored", "old": None},
        "attributes": {"ip_address": "192.0.2.1", "user_agent": "Firefox"},
        "options": {"ip_match_required": True},
        "code_verifier": "v",
    }
    _, told = await bench.call("POST", "/v1/magic_links/authenticate", asked)
    assert (told["session_token"], told["session_jwt"]) == ("aSession", "a.jwt.text")
    assert told["session"]["session_id"] == f"session-test-{SESSION_ID}"
    assert told["session"]["attributes"] == {"ip_address": "192.0.2.1", "user_agent": "Firefox"}
    assert told["session"]["custom_claims"] == {"plan": "gold"}
    (factor,) = told["session"]["authentication_factors"]
    assert (factor["type"], factor["delivery_method"]) == ("magic_link", "embedded")
    assert factor["embeddable_magic_link_factor"]["embedded_id"] == told["method_id"]
    assert bench.body_of("POST /v1/links/verify") == {
        "token": "aToken",
        "code_verifier": "v",
        "jwt": False,
        "client": {"ip": "192.0.2.1", "user_agent": "Firefox"},
        "match_client": {"ip": True, "user_agent": False},
        "session": {"claims": {"plan": "gold", "old": None}, "expires_in_seconds": 3600},
    }
    claims = bench.body_of(f"POST /v1/sessions/{SESSION_ID}/jwt")["jwt_claims"]
    assert claims["plan"] == "gold"
    assert claims[SESSION_CLAIM]["id"] == f"session-test-{SESSION_ID}"
    assert set(claims[SESSION_CLAIM]) == {
        "id", "started_at", "last_accessed_at", "expires_at", "attributes", "authentication_factors", "roles",
    }  # fmt: skip


@pytest.mark.parametrize("given", [{"session_token": "old"}, {"session_jwt": "old"}])
async def test_a_session_that_is_shown_gets_the_factor(bench: Bench, given: dict[str, str]) -> None:
    bench.answers["POST /v1/links/verify"] = 200, redeemed()
    await bench.call("POST", "/v1/magic_links/authenticate", {"token": "aToken", **given})
    assert bench.body_of("POST /v1/links/verify")["session"] == {"claims": {}, "extends": "old"}


async def test_a_lost_jwt_does_not_lose_the_sign_in(bench: Bench) -> None:
    """The link is consumed, then the signing fails: whoever asks next gets the answer of that attempt, by its key."""
    bench.answers["POST /v1/links/verify"] = 200, redeemed(session=session(), session_token="aSession")
    bench.answers[f"POST /v1/sessions/{SESSION_ID}/jwt"] = problem(500, "internal_error")
    asked = {"token": "aToken", "session_duration_minutes": 60}
    status, _ = await bench.call("POST", "/v1/magic_links/authenticate", asked)
    assert status == 503
    bench.answers[f"POST /v1/sessions/{SESSION_ID}/jwt"] = 200, {"jwt": "a.jwt.text"}
    status, told = await bench.call("POST", "/v1/magic_links/authenticate", asked)
    assert (status, told["session_jwt"]) == (200, "a.jwt.text")
    keys = {call.headers["Idempotency-Key"] for call in bench.asked if call.name == "POST /v1/links/verify"}
    assert len(keys) == 1


async def test_claims_of_the_jwts_own_names_stay_out_of_it(bench: Bench) -> None:
    """Otherwise the native API would refuse to sign, and the link is consumed by then."""
    bench.answers["POST /v1/links/verify"] = (
        200,
        redeemed(session=session(claims={"amr": ["x"], "plan": "gold"})),
    )
    bench.answers[f"POST /v1/sessions/{SESSION_ID}/jwt"] = 200, {"jwt": "j"}
    _, told = await bench.call(
        "POST", "/v1/magic_links/authenticate", {"token": "t", "session_duration_minutes": 5}
    )
    assert told["session"]["custom_claims"] == {"amr": ["x"], "plan": "gold"}
    claims = bench.body_of(f"POST /v1/sessions/{SESSION_ID}/jwt")["jwt_claims"]
    assert set(claims) == {"plan", SESSION_CLAIM}


def test_a_factor_that_is_shown_again_is_the_same_factor_at_a_later_time() -> None:
    shown: list[dict[str, Any]] = [
        {"type": "magic_link", "delivery_method": "email", "address": "ann@example.com", "at": AT},
        {"type": "otp", "delivery_method": "whatsapp", "address": "+4915112345678", "at": AT},
        {"type": "magic_link", "delivery_method": "email", "address": "ann@example.com", "at": "later"},
        {"type": "totp", "delivery_method": None, "address": None, "at": AT},
    ]
    mail, phone, app = factors(Ids("live"), shown, user())
    assert (mail["created_at"], mail["last_authenticated_at"]) == (AT, "later")
    assert mail["email_factor"] == {"email_id": f"email-live-{USER_ID}", "email_address": "ann@example.com"}
    number = {"phone_id": f"phone-number-live-{USER_ID}", "phone_number": "+4915112345678"}
    assert (phone["delivery_method"], phone["phone_number_factor"]) == ("whatsapp", number)
    assert app["delivery_method"] == "authenticator_app"


# E-mail ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "url", "seconds"),
    [("active", "https://shop.example/in", 600), ("pending", "https://shop.example/new", 1200)],
)
async def test_pending_users_get_the_sign_up_link(bench: Bench, status: str, url: str, seconds: int) -> None:
    bench.finds(status=status)
    bench.answers["POST /v1/links"] = MADE
    asked = {
        "email": "ann@example.com",
        "login_magic_link_url": "https://shop.example/in",
        "signup_magic_link_url": "https://shop.example/new",
        "login_expiration_minutes": 10,
        "signup_expiration_minutes": 20,
        "locale": "pt-br",
    }
    _, told = await bench.call("POST", "/v1/magic_links/email/send", asked)
    assert (told["user_id"], told["email_id"]) == (USER_NAME, EMAIL_ID)
    made = bench.body_of("POST /v1/links")
    assert made["url_template"] == f"{url}?stytch_token_type=magic_links&token={{token}}"
    assert (made["user_id"], made["channel"], made["verify_address"]) == (USER_ID, "email", True)
    assert (made["ttl_seconds"], made["locale"]) == (seconds, "pt-br")


async def test_sending_to_an_unknown_address_makes_nobody(bench: Bench) -> None:
    bench.finds_nobody()
    status, told = await bench.call("POST", "/v1/magic_links/email/send", {"email": "x@example.com"})
    assert (status, told["error_type"]) == (404, "email_not_found")
    assert bench.names == ["GET /v1/users"]


async def test_a_new_user_gets_a_sign_up_link_for_a_week(bench: Bench) -> None:
    bench.finds_nobody()
    bench.answers["POST /v1/links"] = (
        201,
        {"link": link(channel="email"), "message": None, "user_created": True},
    )
    verifier = "v" * 43
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    asked = {"email": "x@example.com", "create_user_as_pending": True, "code_challenge": challenge}
    _, told = await bench.call("POST", "/v1/magic_links/email/login_or_create", asked)
    assert (told["user_id"], told["email_id"], told["user_created"]) == (USER_NAME, EMAIL_ID, True)
    made = bench.body_of("POST /v1/links")
    assert (made["email"], made["new_user_status"], made["ttl_seconds"]) == (
        "x@example.com",
        "pending",
        604_800,
    )
    assert made["code_challenge"] == challenge.rstrip("=")
    assert made["url_template"].startswith("https://shop.example/authenticate?")


async def test_an_imported_user_keeps_their_id(bench: Bench) -> None:
    bench.finds(public_id="user-live-old", imported_id="user-live-old")
    bench.answers["POST /v1/links"] = MADE
    _, told = await bench.call("POST", "/v1/magic_links/email/login_or_create", {"email": "ann@example.com"})
    assert told["user_id"] == "user-live-old"


@pytest.mark.parametrize("kind", ["login", "signup", "invite"])
async def test_without_any_url_the_call_says_which_one_is_missing(bench: Bench, kind: str) -> None:
    bench.app["default_redirect_url"] = None
    bench.finds(status="active" if kind == "login" else "pending")
    path = "invite" if kind == "invite" else "send"
    status, told = await bench.call("POST", f"/v1/magic_links/email/{path}", {"email": "ann@example.com"})
    assert (status, told["error_type"]) == (400, f"no_{kind}_redirect_urls_set")


async def test_an_invite_makes_a_pending_user_with_the_facts_it_brings(bench: Bench) -> None:
    bench.finds_nobody()
    bench.answers["POST /v1/links"] = (
        201,
        {"link": link(channel="email"), "message": None, "user_created": True},
    )
    bench.answers[f"PATCH /v1/users/{USER_ID}"] = 200, user()
    asked = {"email": "x@example.com", "name": {"first_name": "Ann"}, "trusted_metadata": {"plan": "gold"}}
    status, told = await bench.call("POST", "/v1/magic_links/email/invite", asked)
    assert (status, told["email_id"]) == (200, EMAIL_ID)
    made = bench.body_of("POST /v1/links")
    assert (made["type"], made["ttl_seconds"]) == ("invite", 3600)
    facts = {"profile": {"given_name": "Ann"}, "metadata": {"trusted": {"plan": "gold"}}}
    assert bench.body_of(f"PATCH /v1/users/{USER_ID}") == facts


async def test_an_invite_of_somebody_who_is_here_changes_no_facts(bench: Bench) -> None:
    bench.finds(status="pending")
    bench.answers["POST /v1/links"] = MADE
    asked = {"email": "ann@example.com", "name": {"first_name": "Mallory"}}
    status, _ = await bench.call("POST", "/v1/magic_links/email/invite", asked)
    assert status == 200
    assert f"PATCH /v1/users/{USER_ID}" not in bench.names


async def test_revoking_invites_names_the_address_and_the_type(bench: Bench) -> None:
    bench.finds(status="pending")
    bench.answers["POST /v1/links/revoke"] = 200, {"revoked": 1}
    status, _ = await bench.call("POST", "/v1/magic_links/email/revoke_invite", {"email": "ann@example.com"})
    assert status == 200
    assert bench.body_of("POST /v1/links/revoke") == {"email": "ann@example.com", "type": "invite"}
    bench.finds_nobody()
    status, told = await bench.call(
        "POST", "/v1/magic_links/email/revoke_invite", {"email": "ann@example.com"}
    )
    assert (status, told["error_type"]) == (404, "email_not_found")


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://a.example/in", "https://a.example/in?stytch_token_type=magic_links&token={token}"),
        ("https://a.example/in?x=1", "https://a.example/in?x=1&stytch_token_type=magic_links&token={token}"),
        ("https://a.example/in?", "https://a.example/in?stytch_token_type=magic_links&token={token}"),
        ("https://a.example/in?x={user_id}", "https://a.example/in?x=%7Buser_id%7D&stytch_token_type=magic_links&token={token}"),
    ],
)  # fmt: skip
def test_the_token_goes_into_the_query_of_the_products_own_url(url: str, form: str) -> None:
    assert link_form(url) == form


@pytest.mark.parametrize("path", ["/v1/magic_links/email/send", "/v1/otps/email/send"])
async def test_an_address_is_not_added_to_another_user(bench: Bench, path: str) -> None:
    bench.answers["GET /v1/users"] = 200, {"items": [user(id="0192f0a0-0000-7000-8000-00000000000f")]}
    bench.answers[f"GET /v1/users/{USER_ID}"] = 200, user()
    status, told = await bench.call("POST", path, {"email": "ann@example.com", "user_id": USER_NAME})
    assert (status, told["error_type"]) == (400, "duplicate_email")
    bench.finds_nobody()
    bench.answers["POST /v1/sessions/authenticate"] = 200, {"session": session(), "user": user()}
    status, told = await bench.call("POST", path, {"email": "new@example.com", "session_token": "s"})
    assert (status, told["error_type"]) == (400, "update_user_auth_method_not_allowed")


# Passcodes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
async def test_a_passcode_goes_to_the_phone(bench: Bench, channel: str) -> None:
    bench.finds(phone="+4915112345678")
    bench.answers["POST /v1/passcodes"] = 201, {"passcode": {"user_id": USER_ID}, "user_created": True}
    _, sent = await bench.call("POST", f"/v1/otps/{channel}/send", {"phone_number": "+4915112345678"})
    assert (sent["user_id"], sent["phone_id"]) == (USER_NAME, PHONE_ID)
    made = bench.body_of("POST /v1/passcodes")
    assert (made["user_id"], made["channel"], made["ttl_seconds"]) == (USER_ID, channel, 120)
    assert made["verify_address"] is True
    body = {"phone_number": "+4915112345678", "expiration_minutes": 10, "create_user_as_pending": True}
    _, told = await bench.call("POST", f"/v1/otps/{channel}/login_or_create", body)
    assert (told["user_id"], told["phone_id"], told["user_created"]) == (USER_NAME, PHONE_ID, True)
    made = bench.body_of("POST /v1/passcodes")
    assert (made["phone"], made["ttl_seconds"], made["new_user_status"]) == ("+4915112345678", 600, "pending")


async def test_a_passcode_goes_to_the_address_of_somebody_who_was_here(bench: Bench) -> None:
    bench.finds(public_id="user-live-old")
    bench.answers["POST /v1/passcodes"] = 201, {"passcode": {"user_id": USER_ID}, "user_created": False}
    _, sent = await bench.call("POST", "/v1/otps/email/send", {"email": "ann@example.com"})
    assert (sent["user_id"], sent["email_id"]) == ("user-live-old", EMAIL_ID)
    _, told = await bench.call("POST", "/v1/otps/email/login_or_create", {"email": "ann@example.com"})
    assert (told["user_id"], told["email_id"], told["user_created"]) == ("user-live-old", EMAIL_ID, False)


@pytest.mark.parametrize(
    ("method_id", "holder", "channel"),
    [(EMAIL_ID, {"user_id": USER_ID, "channel": "email"}, "email"), (PHONE_ID, {"user_id": USER_ID, "channel": "phone"}, "sms")],
)  # fmt: skip
async def test_a_passcode_is_redeemed_for_its_method(
    bench: Bench, method_id: str, holder: dict[str, Any], channel: str
) -> None:
    bench.answers["POST /v1/passcodes/verify"] = 200, redeemed(link=link(channel=channel))
    status, told = await bench.call(
        "POST", "/v1/otps/authenticate", {"method_id": method_id, "code": "123456"}
    )
    assert (status, told["method_id"]) == (200, method_id)
    assert bench.body_of("POST /v1/passcodes/verify") == {"passcode": "123456", "jwt": False, **holder}
    bench.answers["POST /v1/passcodes/verify"] = problem(400, "passcode_invalid")
    status, told = await bench.call(
        "POST", "/v1/otps/authenticate", {"method_id": method_id, "code": "000000"}
    )
    assert (status, told["error_type"]) == (401, "unable_to_auth_otp_code")


# Sessions -------------------------------------------------------------------------------------------------------------


async def test_sessions_are_listed_authenticated_and_revoked(bench: Bench) -> None:
    bench.finds()
    bench.answers["GET /v1/sessions"] = 200, {"items": [session()]}
    _, told = await bench.call("GET", f"/v1/sessions?user_id={USER_NAME}")
    assert [one["session_id"] for one in told["sessions"]] == [f"session-test-{SESSION_ID}"]
    bench.answers["POST /v1/sessions/authenticate"] = (
        200,
        {"session": session(), "session_token": "s", "user": user()},
    )
    bench.answers[f"POST /v1/sessions/{SESSION_ID}/jwt"] = 200, {"jwt": "j"}
    asked = {"session_jwt": "old", "session_duration_minutes": 5, "session_custom_claims": {"plan": None}}
    _, told = await bench.call("POST", "/v1/sessions/authenticate", asked)
    assert (told["session_token"], told["session_jwt"], told["user"]["user_id"]) == ("s", "j", USER_NAME)
    native = {"jwt": "old", "expires_in_seconds": 300, "claims": {"plan": None}}
    assert bench.body_of("POST /v1/sessions/authenticate") == native
    bench.answers["POST /v1/sessions/revoke"] = 200, {"revoked": 1}
    for given, body in (
        ({"session_id": f"session-test-{SESSION_ID}"}, {"session_id": SESSION_ID}),
        ({"session_token": "s"}, {"session_token": "s"}),
        ({"session_jwt": "j"}, {"jwt": "j"}),
    ):
        status, _ = await bench.call("POST", "/v1/sessions/revoke", given)
        assert (status, bench.body_of("POST /v1/sessions/revoke")) == (200, body)
    status, told = await bench.call("POST", "/v1/sessions/revoke", {"session_id": SESSION_ID})
    assert (status, told["error_type"]) == (404, "session_not_found")


async def test_an_authorization_check_is_never_passed(bench: Bench) -> None:
    asked = {"session_token": "s", "authorization_check": {"resource_id": "docs", "action": "read"}}
    status, told = await bench.call("POST", "/v1/sessions/authenticate", asked)
    assert (status, told["error_type"]) == (403, "consumer_session_authorization_error")
    assert bench.asked == []


async def test_the_key_set_has_what_stytchs_parser_wants_and_rsa_only(bench: Bench) -> None:
    bench.answers["GET /v1/apps/by-vendor"] = 200, bench.app
    rsa = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": "AQAB", "e": "AQAB"}
    bench.answers["GET /.well-known/jwks.json"] = 200, {"keys": [{"kty": "OKP", "kid": "k2"}, rsa]}
    status, told = await bench.call("GET", f"/v1/sessions/jwks/{PROJECT_ID}", auth=None)
    assert status == 200
    assert told["keys"] == [{**rsa, "key_ops": ["verify"], "x5c": [], "x5tS256": "", "x5t#S256": ""}]
    bench.answers["GET /v1/apps/by-vendor"] = problem(404, "not_found")
    status, told = await bench.call("GET", "/v1/sessions/jwks/project-test-none", auth=None)
    assert (status, told["error_type"]) == (404, "project_not_found")


# Users ----------------------------------------------------------------------------------------------------------------


async def test_a_user_is_made_with_all_that_is_known_of_them(bench: Bench) -> None:
    bench.answers["POST /v1/users"] = 201, user(
        status="pending", profile={"given_name": "Ann"}, metadata={"trusted": {"a": 1}}, roles=["admin"], external_id="e1"
    )  # fmt: skip
    asked = {
        "email": "ann@example.com",
        "name": {"first_name": "Ann", "last_name": None},
        "create_user_as_pending": True,
        "trusted_metadata": {"a": 1, "b": None},
        "external_id": "e1",
        "roles": ["admin"],
    }
    _, told = await bench.call("POST", "/v1/users", asked)
    assert (told["user_id"], told["email_id"], told["phone_id"]) == (USER_NAME, EMAIL_ID, "")
    assert told["status"] == told["user"]["status"] == "pending"
    assert told["user"]["name"] == {"first_name": "Ann", "middle_name": "", "last_name": ""}
    assert (told["user"]["trusted_metadata"], told["user"]["untrusted_metadata"]) == ({"a": 1}, {})
    assert bench.body_of("POST /v1/users") == {
        "email": "ann@example.com", "status": "pending", "external_id": "e1", "roles": ["admin"],
        "profile": {"given_name": "Ann"}, "metadata": {"trusted": {"a": 1}},
    }  # fmt: skip


async def test_updating_merges_metadata_key_by_key_and_keeps_the_rest(bench: Bench) -> None:
    old = {"trusted": {"a": 1, "b": 2}, "untrusted": {"u": 1}, "own": {"kept": True}}
    bench.finds(metadata=old, profile={"given_name": "Ann", "locale": "de"})
    bench.answers[f"PATCH /v1/users/{USER_ID}"] = 200, user()
    asked = {"user_id": USER_NAME, "trusted_metadata": {"a": 3, "b": None}, "name": {"first_name": "Anna"}}
    status, told = await bench.call("PUT", f"/v1/users/{USER_NAME}", asked)
    assert (status, told["crypto_wallets"]) == (200, [])
    assert bench.body_of(f"PATCH /v1/users/{USER_ID}") == {
        "metadata": {"trusted": {"a": 3}, "untrusted": {"u": 1}, "own": {"kept": True}},
        "profile": {"given_name": "Anna", "locale": "de"},
    }


@pytest.mark.parametrize(
    ("fields", "locked"),
    [
        ({"status": "active"}, False),
        ({"status": "pending"}, False),
        ({"status": "locked"}, True),
        ({"status": "inactive"}, True),
        ({"status": "suspended"}, True),
        ({"status": "suspended", "suspended_until": "2999-01-01T00:00:00Z"}, True),
        ({"status": "suspended", "suspended_until": "2026-01-01T00:00:00Z"}, False),
    ],
)
def test_whoever_may_not_sign_in_now_is_locked(fields: dict[str, Any], locked: bool) -> None:
    told = user_object(Ids("test"), user(**fields))
    assert (told["is_locked"], told["status"]) == (
        locked,
        "pending" if fields["status"] == "pending" else "active",
    )


def test_null_takes_a_key_away() -> None:
    assert merged({"a": 1, "b": {"c": 1}}, {"a": None, "b": {"d": 2}}) == {"b": {"d": 2}}


async def test_users_are_named_by_id_imported_id_or_external_id(bench: Bench) -> None:
    bench.finds(external_id="crm|7")
    _, told = await bench.call("GET", f"/v1/users/{USER_NAME}")
    assert (told["user_id"], told["emails"][0]["email_id"]) == (USER_NAME, EMAIL_ID)
    _, told = await bench.call("GET", "/v1/users/crm%7C7")
    assert told["external_id"] == "crm|7"
    assert [asked.query for asked in bench.asked[-2:]] == [{"imported_id": "crm|7"}, {"external_id": "crm|7"}]


async def test_an_imported_user_goes_by_the_id_that_they_came_with_alone(bench: Bench) -> None:
    bench.answers[f"GET /v1/users/{USER_ID}"] = 200, user(public_id="user-live-old")
    bench.answers["GET /v1/users"] = 200, {"items": [], "next_cursor": None}
    status, told = await bench.call("GET", f"/v1/users/{USER_NAME}")
    assert (status, told["error_type"]) == (404, "user_not_found")


@pytest.mark.parametrize(
    ("named", "status", "error_type"),
    [
        (USER_NAME, 404, "user_not_found"),
        (f"user-live-{USER_ID}", 404, "user_not_found"),
        (USER_ID, 400, "invalid_user_id"),
        (USER_NAME.upper(), 400, "invalid_user_id"),
        ("x" * 3000, 400, "invalid_user_id"),
    ],
)
async def test_a_name_of_nobody_is_unknown_or_no_name_at_all(
    bench: Bench, named: str, status: int, error_type: str
) -> None:
    bench.finds_nobody()
    found, told = await bench.call("GET", f"/v1/users/{named}")
    assert (found, told["error_type"]) == (status, error_type)


async def test_deleting_asks_first_whether_there_is_anybody(bench: Bench) -> None:
    bench.finds()
    bench.answers[f"DELETE /v1/users/{USER_ID}"] = 204, None
    status, told = await bench.call("DELETE", f"/v1/users/{USER_NAME}")
    assert (status, told["user_id"]) == (200, USER_NAME)
    bench.finds_nobody()
    del bench.answers[f"GET /v1/users/{USER_ID}"]
    status, told = await bench.call("DELETE", f"/v1/users/{USER_NAME}")
    assert (status, told["error_type"]) == (404, "user_not_found")


async def test_addresses_numbers_and_external_ids_are_taken_away(bench: Bench) -> None:
    bench.finds(phone="+4915112345678")
    bench.answers[f"PATCH /v1/users/{USER_ID}"] = 200, user(email=None)
    for path, change in (
        (f"/v1/users/emails/{EMAIL_ID}", {"email": None, "email_verified": False}),
        (f"/v1/users/phone_numbers/{PHONE_ID}", {"phone": None, "phone_verified": False}),
        (f"/v1/users/{USER_NAME}/external_id", {"external_id": None}),
    ):
        status, told = await bench.call("DELETE", path)
        assert (status, told["user"]["emails"]) == (200, [])
        assert bench.body_of(f"PATCH /v1/users/{USER_ID}") == change
    status, told = await bench.call("DELETE", "/v1/users/emails/garbage")
    assert (status, told["error_type"]) == (404, "email_not_found")


async def test_a_factor_is_exchanged_for_one_that_is_not_verified(bench: Bench) -> None:
    bench.finds()
    bench.answers[f"PATCH /v1/users/{USER_ID}"] = 200, user(email="new@example.com")
    path = f"/v1/users/{USER_NAME}/exchange_primary_factor"
    _, told = await bench.call("PUT", path, {"email_address": "new@example.com"})
    assert told["emails"][0]["email"] == "new@example.com"
    assert bench.body_of(f"PATCH /v1/users/{USER_ID}") == {
        "email": "new@example.com",
        "email_verified": False,
    }


async def test_a_search_is_put_into_native_filters(bench: Bench) -> None:
    bench.answers["POST /v1/users/search"] = 200, {"items": [user()], "next_cursor": "c2", "total": 7}
    operands = [
        {"filter_name": "user_id", "filter_value": [USER_NAME]},
        {"filter_name": "email_address", "filter_value": ["ann@example.com"]},
        {"filter_name": "email_id", "filter_value": [EMAIL_ID, "garbage"]},
        {"filter_name": "email_verified", "filter_value": True},
        {"filter_name": "email_address_fuzzy", "filter_value": "ann"},
        {"filter_name": "status", "filter_value": "active"},
        {
            "filter_name": "created_at_between",
            "filter_value": {"greater_than": "2026-01-01T00:00:00Z", "less_than": "2026-02-01T00:00:00Z"},
        },
    ]
    asked = {"limit": 10, "cursor": "c1", "query": {"operator": "AND", "operands": operands}}
    _, told = await bench.call("POST", "/v1/users/search", asked)
    assert told["results_metadata"] == {"total": 7, "next_cursor": "c2"}
    assert [one["user_id"] for one in told["results"]] == [USER_NAME]
    assert bench.body_of("POST /v1/users/search") == {
        "operator": "AND",
        "limit": 10,
        "cursor": "c1",
        "filters": [
            {"field": "email", "values": ["ann@example.com"]},
            {"field": "email_verified", "values": [True]},
            {"field": "email_like", "values": ["ann"]},
            {"field": "status", "values": ["active"]},
            {"field": "created_after", "values": ["2026-01-01T00:00:00+00:00"]},
            {"field": "created_before", "values": ["2026-02-01T00:00:00+00:00"]},
            {"field": "id", "values": [USER_ID]},
        ],
    }


NOBODY = "00000000-0000-0000-0000-000000000000"
BETWEEN = {
    "filter_name": "created_at_between",
    "filter_value": {"greater_than": "2026-01-01T00:00:00Z", "less_than": "2026-02-01T00:00:00Z"},
}


@pytest.mark.parametrize(
    ("operator", "operands", "ids"),
    [
        ("OR", [("user_id", [USER_NAME]), ("email_id", ["garbage"])], [NOBODY, USER_ID]),
        ("AND", [("user_id", [USER_NAME]), ("email_id", [EMAIL_ID])], [USER_ID]),
        ("AND", [("user_id", [USER_NAME]), ("phone_id", ["garbage"])], [NOBODY]),
    ],
)
async def test_ids_of_several_kinds_are_one_native_filter(
    bench: Bench, operator: str, operands: list[tuple[str, list[str]]], ids: list[str]
) -> None:
    """The native search takes each field once."""
    bench.answers["POST /v1/users/search"] = 200, {"items": [], "next_cursor": None, "total": 0}
    named = [{"filter_name": name, "filter_value": value} for name, value in operands]
    await bench.call("POST", "/v1/users/search", {"query": {"operator": operator, "operands": named}})
    assert bench.body_of("POST /v1/users/search")["filters"] == [{"field": "id", "values": ids}]


async def test_between_two_times_means_both_whatever_joins_the_filters(bench: Bench) -> None:
    bench.answers["POST /v1/users/search"] = 200, {"items": [], "next_cursor": None, "total": 0}
    await bench.call("POST", "/v1/users/search", {"query": {"operator": "OR", "operands": [BETWEEN]}})
    assert bench.body_of("POST /v1/users/search")["operator"] == "AND"
    operands = [BETWEEN, {"filter_name": "status", "filter_value": "active"}]
    status, told = await bench.call(
        "POST", "/v1/users/search", {"query": {"operator": "OR", "operands": operands}}
    )
    assert (status, told["error_type"]) == (400, "user_search_invalid_operator")


@pytest.mark.parametrize(
    ("name", "value", "error_type"),
    [
        ("shoe_size", ["44"], "user_search_filter_name_not_recognized"),
        ("email_address", 7, "user_search_expected_array_of_string"),
        ("email_address", [], "user_search_expected_array_of_string"),
        ("email_verified", "yes", "user_search_expected_bool"),
        ("created_at_less_than", "yesterday", "user_search_expected_timestamp"),
        ("created_at_less_than", "2026-01-01T00:00:00", "user_search_expected_timestamp"),
        ("created_at_between", "now", "user_search_expected_object"),
        ("user_id", [USER_NAME, "crm|7"], "user_search_cannot_mix_internal_and_external_user_ids"),
    ],
)
async def test_a_filter_that_does_not_exist_here_is_refused(
    bench: Bench, name: str, value: Any, error_type: str
) -> None:
    query = {"operator": "AND", "operands": [{"filter_name": name, "filter_value": value}]}
    status, told = await bench.call("POST", "/v1/users/search", {"query": query})
    assert (status, told["error_type"]) == (400, error_type)
