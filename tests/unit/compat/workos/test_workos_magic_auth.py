"""Magic Auth, the sessions it opens, and what refreshes and ends them."""

from typing import Any

import pytest

from services.compat.workos.magic_auth import MARK
from shared.errors import Unavailable
from tests.unit.compat.workos.recorded import (
    CLIENT_ID,
    KEY,
    LINK,
    LINK_ID,
    PUBLIC_USER_ID,
    SESSION_ID,
    USER,
    USER_ID,
    Recorded,
    ask,
    compat,
    refused,
)

PATH = "/user_management/magic_auth"
PASSCODE = {
    "id": LINK_ID, "user_id": USER_ID, "channel": "email", "expires_at": "2026-01-01T00:10:00Z",
    "created_at": "2026-01-01T00:00:00Z", "code": "123456",
}  # fmt: skip
CLIENT = {"client_id": CLIENT_ID, "client_secret": KEY}
BY_CODE = {
    **CLIENT, "grant_type": "urn:workos:oauth:grant-type:magic-auth:code", "code": "123456", "email": "ada@example.com",
}  # fmt: skip
SESSION = {"user": USER, "jwt": "a.b.c", "refresh_token": "refresh", "session": {"id": SESSION_ID}}


def recorded(**answers: Any) -> Recorded:
    return Recorded(
        {
            "POST /v1/passcodes": {"passcode": PASSCODE, "user_created": True, "message": {}},
            f"POST /v1/links/{LINK_ID}/reveal": {"link": {**LINK, "metadata": MARK, "passcode": "123456"}},
            f"GET /v1/users/{USER_ID}": USER,
            "POST /v1/passcodes/verify": SESSION,
            "POST /v1/second-factors/verify": SESSION,
            "POST /v1/sessions/refresh": SESSION,
            f"POST /v1/sessions/{SESSION_ID}/jwt": {"jwt": "d.e.f"},
            "POST /v1/sessions/revoke": {"revoked": 1},
            **answers,
        }
    )


async def test_a_code_is_made_sent_and_read_again() -> None:
    native = recorded()
    async with compat(native) as client:
        status, told = await ask(client, "POST", PATH, {"email": "ada@example.com"})
        assert await ask(client, "GET", f"{PATH}/{told['id']}") == (
            200,
            {**told, "expires_at": "2026-01-01T00:15:00.000Z"},
        )
    assert (status, told["code"], told["user_id"]) == (201, "123456", PUBLIC_USER_ID)
    wanted = native.asked[0].body
    assert (wanted["channel"], wanted["verify_address"], wanted["ttl_seconds"]) == ("email", True, 600)


async def test_a_product_that_sends_codes_itself_has_nothing_verified_by_them() -> None:
    native = recorded()
    native.vendor_settings["magic_auth_emails"] = False
    async with compat(native) as client:
        assert (await ask(client, "POST", PATH, {"email": "ada@example.com"}))[0] == 201
    assert native.asked[0].body["channel"] == "none"
    assert "verify_address" not in native.asked[0].body


@pytest.mark.parametrize(
    "answer", [refused("link_over", 409), refused("not_found", 404), {"link": {**LINK, "passcode": "123456"}}]
)
async def test_what_is_no_live_code_is_not_found(answer: Any) -> None:
    native = recorded(**{f"POST /v1/links/{LINK_ID}/reveal": answer})
    async with compat(native) as client:
        told = (await ask(client, "POST", PATH, {"email": "ada@example.com"}))[1]
        assert (await ask(client, "GET", f"{PATH}/{told['id']}"))[0] == 404
        assert (await ask(client, "GET", f"{PATH}/magic_auth_1"))[0] == 404


async def test_a_key_that_may_not_see_codes_gets_none() -> None:
    hidden = {name: value for name, value in PASSCODE.items() if name != "code"}
    native = recorded(**{"POST /v1/passcodes": {"passcode": hidden}})
    async with compat(native) as client:
        assert (await ask(client, "POST", PATH, {"email": "ada@example.com"}))[0] == 403


async def test_a_code_opens_a_session_with_refresh_token() -> None:
    native = recorded()
    async with compat(native) as client:
        seen = {"ip_address": "192.0.2.1", "user_agent": "u" * 600}
        status, told = await ask(client, "POST", "/user_management/authenticate", {**BY_CODE, **seen})
    assert status == 200
    assert (told["access_token"], told["refresh_token"]) == ("a.b.c", "refresh")
    assert (told["user"]["id"], told["authentication_method"]) == (PUBLIC_USER_ID, "MagicAuth")
    body = native.asked[0].body
    assert body["session"] == {"refresh": True}
    assert body["client"] == {"ip": "192.0.2.1", "user_agent": "u" * 512}


async def test_a_wrong_code_a_foreign_client_and_a_strange_grant_are_told_apart() -> None:
    native = recorded(**{"POST /v1/passcodes/verify": refused("passcode_invalid", 400)})
    path = "/user_management/authenticate"
    async with compat(native) as client:
        status, told = await ask(client, "POST", path, BY_CODE)
        assert (status, told["code"]) == (400, "invalid_one_time_code")
        status, told = await ask(client, "POST", path, BY_CODE | {"client_id": "client_02"})
        assert (status, told["error"]) == (400, "invalid_client")
        status, told = await ask(client, "POST", path, BY_CODE | {"grant_type": "password"})
        assert (status, told["error"]) == (400, "unsupported_grant_type")
        status, told = await ask(client, "POST", path, BY_CODE | {"email": "nobody"})
        assert (status, told["error"]) == (400, "invalid_request")


async def test_a_refresh_token_is_rotated_and_comes_with_a_new_access_token() -> None:
    native = recorded()
    async with compat(native) as client:
        body = {**CLIENT, "grant_type": "refresh_token", "refresh_token": "refresh"}
        status, told = await ask(client, "POST", "/user_management/authenticate", body, Idempotency_Key="k")
    assert (status, told["access_token"], told["refresh_token"]) == (200, "d.e.f", "refresh")
    assert native.asked[0].body == {"refresh_token": "refresh", "rotate": True}
    assert native.asked[0].key


async def test_an_outage_after_the_rotation_loses_nobodys_refresh_token() -> None:
    native = recorded(**{f"POST /v1/sessions/{SESSION_ID}/jwt": Unavailable()})
    body = {**CLIENT, "grant_type": "refresh_token", "refresh_token": "refresh"}
    async with compat(native) as client:
        assert (await ask(client, "POST", "/user_management/authenticate", body))[0] == 503
        native.answers[f"POST /v1/sessions/{SESSION_ID}/jwt"] = {"jwt": "d.e.f"}
        assert (await ask(client, "POST", "/user_management/authenticate", body))[0] == 200
    # A new key would show the used token again, and end the session.
    assert len({asked.key for asked in native.asked if asked.path == "/v1/sessions/refresh"}) == 1


async def test_a_second_factor_goes_on_where_the_first_stopped() -> None:
    native = recorded()
    async with compat(native) as client:
        body = {
            **CLIENT,
            "grant_type": "urn:workos:oauth:grant-type:mfa-totp",
            "code": "654321",
            "pending_authentication_token": "challenge",
            "authentication_challenge_id": "auth_challenge_1",
        }
        assert (await ask(client, "POST", "/user_management/authenticate", body))[0] == 200
    assert native.asked[0].body["challenge"] == "challenge"


async def test_a_session_is_revoked_by_the_sid_of_its_token() -> None:
    native = recorded()
    async with compat(native) as client:
        path = "/user_management/sessions/revoke"
        assert (await ask(client, "POST", path, {"session_id": SESSION_ID}))[0] == 200
        assert (await ask(client, "POST", path, {"session_id": SESSION_ID.upper()}))[0] == 404
        assert (await ask(client, "POST", path, {"session_id": "session_1"}))[0] == 404
    assert len(native.asked) == 1
