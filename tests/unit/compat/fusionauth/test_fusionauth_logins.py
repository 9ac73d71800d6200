"""Starting, sending and completing FusionAuth logins, over native answers as recorded."""

from typing import Any

import pytest

from shared.errors import Unavailable
from tests.unit.compat.fusionauth.native_answers import (
    APP,
    APPLICATION,
    KEY,
    NARROW_KEY,
    REDEEMED,
    SESSION,
    SIGNED,
    TENANT,
    USER,
    USER_ID,
    Answers,
    compat,
    post,
    refused,
)

START, SEND, LOGIN = (f"/api/passwordless/{name}" for name in ("start", "send", "login"))
STARTED = {"applicationId": APPLICATION, "loginId": "john@example.com"}
VERIFY = "POST /v1/passcodes/verify"


async def test_a_start_makes_a_link_that_is_not_sent_and_answers_its_passcode() -> None:
    answers = Answers()
    state = {"client_id": APPLICATION, "redirect_uri": "http://shop.test/callback", "state": "a b&c"}
    async with compat(answers) as client:
        assert await post(client, START, {**STARTED, "state": state}, KEY) == (200, {"code": "c0de"})
    (link,) = answers.bodies("POST /v1/links")
    assert link == {
        "user_id": USER_ID,
        "create_user": False,
        "channel": "none",
        "passcode": True,
        "state": state,
        "redirect_url": "http://shop.test/callback",
        "metadata": {"application_id": APPLICATION, "leads_on": True},
        "url_template": f"http://compat.test/oauth2/passwordless/{{passcode}}?postMethod=true&tenantId={TENANT}"
        f"&client_id={APPLICATION}&redirect_uri=http%3A%2F%2Fshop.test%2Fcallback&state=a%20b%26c",
    }


async def test_braces_and_lengths_of_a_state_never_spoil_the_links_form() -> None:
    answers = Answers()
    async with compat(answers) as client:
        assert (await post(client, START, {**STARTED, "state": {"{token}": "{passcode}"}}, KEY))[0] == 200
        assert (await post(client, START, {**STARTED, "state": {"long": "x" * 3000}}, KEY))[0] == 200
    braced, long = (link["url_template"] for link in answers.bodies("POST /v1/links"))
    assert braced.endswith("&%7Btoken%7D=%7Bpasscode%7D")
    assert braced.count("{") == 1
    assert long.endswith(f"&tenantId={TENANT}")


async def test_a_redirect_that_the_native_api_refuses_is_left_out_and_stays_in_the_state() -> None:
    answers = Answers()
    answers.by_call["POST /v1/links"] = [
        refused("invalid_request", 422, ("redirect_url", "redirect_not_allowed")),
        {"link": {"id": "x", "passcode": "c0de"}},
    ]
    async with compat(answers) as client:
        state = {"redirect_uri": "https://evil.example/"}
        assert (await post(client, START, {**STARTED, "state": state}, KEY))[0] == 200
    second = answers.bodies("POST /v1/links")[1]
    assert "redirect_url" not in second
    assert "leads_on" not in second["metadata"]
    assert second["state"] == state


@pytest.mark.parametrize(
    ("key", "status"),
    [(None, 401), ("garbage", 401), (f"Bearer {KEY}", 401), (KEY, 200), (NARROW_KEY, 200)],
)
async def test_a_start_needs_a_key_that_may(key: str | None, status: int) -> None:
    async with compat(Answers()) as client:
        assert (await post(client, START, STARTED, key))[0] == status
        assert (await post(client, "/api/user", {"user": {"email": "x@example.com"}}, NARROW_KEY)) == (
            401,
            None,
        )
        other = {"X-FusionAuth-TenantId": "00000000-0000-0000-0000-000000000000"}
        assert (await post(client, START, STARTED, KEY, **other)) == (401, None)


async def test_the_native_api_is_asked_by_the_key_where_there_is_one_and_for_the_tenant_where_not() -> None:
    answers = Answers()
    async with compat(answers) as client:
        await post(client, START, STARTED, KEY)
        await post(client, LOGIN, {"code": "c0de"})
    by = {asked.what: asked.authority for asked in answers.asked}
    assert by["POST /v1/links"] == KEY
    assert by[VERIFY] == APP["id"]


async def test_a_login_answers_user_tokens_and_state() -> None:
    answers = Answers()
    asked = {"code": "c0de", "applicationId": APPLICATION, "ipAddress": "192.0.2.1", "twoFactorTrustId": "0t"}
    async with compat(answers) as client:
        status, body = await post(client, LOGIN, asked)
        cookies = {cookie.key: cookie.value for cookie in client.session.cookie_jar}
    assert status == 200
    assert body["token"] == SIGNED["jwt"]
    assert body["tokenExpirationInstant"] == 1_704_070_800_000
    assert (body["refreshToken"], body["refreshTokenId"], body["state"]) == ("0r", SESSION, {"cart": 7})
    assert body["user"]["lastLoginInstant"] == 1_704_153_600_500
    assert cookies == {"access_token": SIGNED["jwt"], "refresh_token": "0r"}
    (verified,) = answers.bodies(VERIFY)
    assert verified["passcode"] == "c0de"
    assert verified["application_id"] == APPLICATION
    assert verified["trust_token"] == "0t"
    assert verified["client"]["ip"] == "192.0.2.1"
    assert verified["session"]["refresh"] is True
    (signed,) = answers.bodies(f"POST /v1/sessions/{SESSION}/jwt")
    assert signed["audience"] == APPLICATION
    assert signed["jwt_claims"]["applicationId"] == APPLICATION
    assert signed["jwt_claims"]["roles"] == ["user"]


async def test_the_cookie_of_a_trusted_device_goes_before_the_body() -> None:
    answers = Answers()
    async with compat(answers) as client:
        cookie = {"Cookie": "fusionauth.trust=0cookie"}
        await post(client, LOGIN, {"code": "c0de", "twoFactorTrustId": "0body"}, **cookie)
    assert answers.bodies(VERIFY)[0]["trust_token"] == "0cookie"


async def test_a_jwt_of_who_is_not_registered_names_no_application_and_no_roles() -> None:
    answers = Answers()
    answers.by_call[VERIFY] = {**REDEEMED, "registration": None}
    async with compat(answers) as client:
        status, body = await post(client, LOGIN, {"code": "c0de", "applicationId": APPLICATION})
    assert status == 202
    assert body["user"]["registrations"] == []
    (signed,) = answers.bodies(f"POST /v1/sessions/{SESSION}/jwt")
    assert not {"applicationId", "roles"} & signed["jwt_claims"].keys()


async def test_without_a_jwt_there_is_no_session() -> None:
    answers = Answers()
    answers.by_call[VERIFY] = {**REDEEMED, "session": None, "session_token": None, "refresh_token": None}
    async with compat(answers) as client:
        status, body = await post(client, LOGIN, {"code": "c0de", "noJWT": True})
    assert (status, body.keys()) == (200, {"user", "state"})
    assert "session" not in answers.bodies(VERIFY)[0]


STATUSES: list[tuple[int, Any, Any]] = [
    (404, refused("passcode_invalid", 400), None),
    (404, refused("user_inactive", 403), None),
    (410, refused("user_expired", 403), None),
    (423, refused("user_locked", 403), None),
    (429, refused("rate_limited", 429), None),
    (500, refused("internal_error", 500), None),
    (404, refused("invalid_request", 422, ("passcode", "string_too_long")), None),
    (
        242,
        refused("second_factor_required", 403, challenge="0c", methods=[{"id": "m", "type": "totp"}]),
        {
            "twoFactorId": "0c",
            "methods": [
                {
                    "id": "m",
                    "method": "authenticator",
                    "authenticator": {"algorithm": "HmacSHA1", "codeLength": 6, "timeStep": 30},
                }
            ],
        },
    ),
    (
        409,
        refused("user_suspended", 403, status_reason="late", suspended_until="2024-01-01T01:00:00Z"),
        {
            "actions": [
                {
                    "name": "Prevent login",
                    "localizedName": "Prevent login",
                    "reason": "late",
                    "localizedReason": "late",
                    "expiry": 1_704_070_800_000,
                }
            ]
        },
    ),
]


@pytest.mark.parametrize(("status", "native", "body"), STATUSES, ids=[str(case[1]) for case in STATUSES])
async def test_each_native_refusal_has_its_status(status: int, native: Exception, body: Any) -> None:
    answers = Answers()
    answers.by_call[VERIFY] = native
    async with compat(answers) as client:
        assert await post(client, LOGIN, {"code": "c0de"}) == (status, body)


@pytest.mark.parametrize(("code", "status"), [("address_unverified", 212), ("registration_unverified", 213)])
async def test_what_must_be_verified_first_is_told_with_the_user_and_without_a_token(
    code: str, status: int
) -> None:
    answers = Answers()
    answers.by_call[VERIFY] = refused(code, 403, user=USER)
    async with compat(answers) as client:
        found, body = await post(client, LOGIN, {"code": "c0de"})
    assert (found, body.keys()) == (status, {"user"})


async def test_an_outage_is_503_and_the_next_caller_goes_on_with_the_same_attempt() -> None:
    answers = Answers()
    answers.by_call[f"POST /v1/sessions/{SESSION}/jwt"] = [Unavailable("gone"), SIGNED]
    async with compat(answers) as client:
        status, body = await post(client, LOGIN, {"code": "c0de"})
        assert (status, body["generalErrors"][0]["code"]) == (503, "[Unavailable]")
        assert (await post(client, LOGIN, {"code": "c0de"}))[0] == 200
    first, second = (asked.key for asked in answers.asked if asked.what == VERIFY)
    assert first == second


@pytest.mark.parametrize("apps", [1, 2])
async def test_a_call_without_a_key_means_the_only_tenant_or_must_name_one(apps: int) -> None:
    answers = Answers(apps=apps)
    async with compat(answers) as client:
        unnamed = await post(client, LOGIN, {"code": "c0de"})
        assert unnamed[0] == (200 if apps == 1 else 400)
        assert (await post(client, LOGIN, {"code": "c0de", "applicationId": APPLICATION}))[0] == 200
        header = "X-FusionAuth-TenantId"
        assert (await post(client, LOGIN, {"code": "c0de"}, **{header: TENANT.upper()}))[0] == 200
        foreign = await post(client, LOGIN, {"code": "c0de"}, **{header: USER_ID})
        assert foreign[1]["generalErrors"][0]["code"] == "[TenantIdRequired]"


async def test_the_older_use_of_send_makes_the_same_calls_for_nobody() -> None:
    known, unknown = Answers(), Answers()
    unknown.by_call["GET /v1/users"] = {"items": []}
    unknown.by_call["POST /v1/links"] = refused("not_found", 404)
    for answers in (known, unknown):
        async with compat(answers) as client:
            assert await post(client, SEND, STARTED) == (200, None)
    calls = [
        [asked.what for asked in answers.asked if "users" not in asked.what] for answers in (known, unknown)
    ]
    assert calls[0] == calls[1]
    assert known.bodies("POST /v1/links")[0]["channel"] == "email"


async def test_a_fault_of_the_older_use_that_is_not_about_the_user_is_told_to_everybody() -> None:
    answers = Answers()
    answers.by_call["POST /v1/links"] = refused("invalid_request", 422, ("state", "too_large"))
    async with compat(answers) as client:
        status, body = await post(client, SEND, STARTED)
    assert (status, list(body["fieldErrors"])) == (400, ["state"])
