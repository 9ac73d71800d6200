"""Passwordless sessions and their codes: what is asked of the native API, and what the SDK gets."""

from typing import Any
from urllib.parse import urlencode

from shared.errors import Unavailable
from tests.unit.compat.workos.recorded import (
    CLIENT_ID,
    CONNECTION,
    KEY,
    LINK,
    OTHERS_KEY,
    USER,
    Asked,
    Recorded,
    ask,
    compat,
    refused,
)

SESSION_PATH = "/passwordless/sessions"
ASKED = {"email": "Ada@Example.com", "type": "MagicLink"}
TOKEN_BODY = {
    "grant_type": "authorization_code", "client_id": CLIENT_ID, "client_secret": KEY, "code": "grant",
}  # fmt: skip
MADE = {"link": {**LINK, "url": "http://verifier.test/l/token"}, "message": None}


def recorded(**answers: Any) -> Recorded:
    return Recorded(
        {
            "POST /v1/links": MADE,
            "POST /v1/connections": CONNECTION,
            "POST /v1/grants/exchange": {"user": USER, "session_token": "sessiontoken"},
            "POST /v1/sessions/authenticate": {"user": USER},
            **answers,
        }
    )


async def test_a_session_is_a_link_that_is_not_sent_and_the_connection_of_its_domain() -> None:
    native = recorded()
    async with compat(native) as client:
        body = {**ASKED, "redirect_uri": "https://app.example/callback", "state": "s", "expires_in": 900}
        status, told = await ask(client, "POST", SESSION_PATH, body, Idempotency_Key="k1")
    assert status == 201
    assert told["object"] == "passwordless_session"
    assert told["link"] == "http://verifier.test/l/token"
    assert told["expires_at"] == "2026-01-01T00:15:00.000Z"
    link, connection = native.asked
    assert link.body["channel"] == "none"
    assert (link.body["ttl_seconds"], link.body["grant_ttl_seconds"], link.body["state"]) == (900, 600, "s")
    assert connection.body == {"domain": "example.com"}


async def test_each_native_call_of_a_request_has_a_key_of_its_own_the_same_in_each_repetition() -> None:
    native = recorded()
    async with compat(native) as client:
        for _ in range(2):
            await ask(client, "POST", SESSION_PATH, ASKED, Idempotency_Key="k1")
        await ask(client, "POST", SESSION_PATH, ASKED, Idempotency_Key="k2")
        await ask(client, "POST", SESSION_PATH, ASKED)
    keys = [asked.key for asked in native.asked]
    assert keys[:2] == keys[2:4]
    assert len(set(keys[:2] + keys[4:6])) == 4
    assert keys[6:] == [None, None]


async def test_what_refuses_the_link_makes_no_connection() -> None:
    errors = [{"field": "redirect_url", "rule": "redirect_not_allowed", "message": "is not on the list"}]
    native = recorded(**{"POST /v1/links": refused("invalid_request", 422, errors=errors)})
    async with compat(native) as client:
        status, told = await ask(
            client, "POST", SESSION_PATH, {**ASKED, "redirect_uri": "https://evil.example"}
        )
    assert (status, told["errors"][0]["field"]) == (422, "redirect_uri")
    assert [asked.path for asked in native.asked] == ["/v1/links"]


async def test_a_bad_request_reaches_nobody() -> None:
    native = recorded()
    async with compat(native) as client:
        wrong = {"email": "nobody", "type": "Code", "expires_in": 899, "state": 7}
        status, told = await ask(client, "POST", SESSION_PATH, wrong)
        assert (await ask(client, "POST", SESSION_PATH, {**ASKED, "expires_in": 86_401}))[0] == 422
        async with client.post(SESSION_PATH, data="{", headers={"Authorization": f"Bearer {KEY}"}) as answer:
            assert answer.status == 400
    assert status == 422
    assert {error["field"] for error in told["errors"]} == {"email", "type", "expires_in", "state"}
    assert native.asked == []


async def test_a_bad_key_is_refused_before_the_body_is_read() -> None:
    native = recorded()
    async with compat(native) as client:
        for authorization in ("", "Bearer ", "Bearer unknown", f"Basic {KEY}", "Bearer a b"):
            status, told = await ask(client, "POST", SESSION_PATH, {"wrong": 1}, Authorization=authorization)
            assert (status, told["code"]) == (401, "unauthorized")
    assert native.asked == []


async def test_a_session_that_was_sent_is_sent_once_more() -> None:
    path = f"/v1/links/{LINK['id']}"
    native = recorded(
        **{f"POST {path}/send": refused("already_sent", 409), f"POST {path}/resend": {"message": {}}}
    )
    async with compat(native) as client:
        session = (await ask(client, "POST", SESSION_PATH, ASKED))[1]["id"]
        assert await ask(client, "POST", f"{SESSION_PATH}/{session}/send") == (200, {"success": True})
        assert (await ask(client, "POST", f"{SESSION_PATH}/passwordless_session_1/send"))[0] == 404
    assert [asked.path for asked in native.asked[2:]] == [f"{path}/send", f"{path}/resend"]
    assert native.asked[2].body == {"channel": "email", "verify_address": True}


async def test_a_code_becomes_a_profile_and_an_access_token_by_json_and_by_form() -> None:
    native = recorded()
    async with compat(native) as client:
        status, told = await ask(client, "POST", "/sso/token", TOKEN_BODY)
        async with client.post("/sso/token", data=TOKEN_BODY) as answer:
            assert (answer.status, await answer.json()) == (status, told)
        assert status == 200
        assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
        bearing = f"Bearer {told['access_token']}"
        status, profile = await ask(client, "GET", "/sso/profile", Authorization=bearing)
    assert (status, profile) == (200, told["profile"])
    authenticated = native.asked[-2]
    assert authenticated.body == {"session_token": "sessiontoken"}
    assert authenticated.authority == native.app()["id"]


async def test_a_code_is_good_for_its_client_only() -> None:
    native = recorded()
    async with compat(native) as client:
        for change in (
            {"client_id": "client_02"},
            {"client_secret": OTHERS_KEY},
            {"client_secret": "x\r\nMagiclink-App: 1"},
        ):
            status, told = await ask(client, "POST", "/sso/token", TOKEN_BODY | change)
            assert (status, told["error"]) == (400, "invalid_client")
    assert native.asked == []


async def test_a_malformed_exchange_says_so_in_oauths_words() -> None:
    native = recorded()
    async with compat(native) as client:
        for change, error in (
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"code": None}, "invalid_request"),
            ({"client_id": 7}, "invalid_request"),
        ):
            status, told = await ask(client, "POST", "/sso/token", TOKEN_BODY | change)
            assert (status, told["error"]) == (400, error)
        whole = urlencode(TOKEN_BODY)
        for form in (f"{whole}&code=other", f"{whole}&x=%ff", f"{whole}&x=%00"):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            async with client.post("/sso/token", data=form, headers=headers) as answer:
                assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")
    assert native.asked == []


async def test_a_caller_without_a_key_of_their_own_goes_on_with_an_attempt_whose_outcome_is_unknown() -> None:
    away = [True]

    def exchange(asked: Asked) -> Any:
        if away.pop() if away else False:
            raise Unavailable
        return {"user": USER, "session_token": "sessiontoken"}

    native = recorded(**{"POST /v1/grants/exchange": exchange})
    async with compat(native) as client:
        assert (await ask(client, "POST", "/sso/token", TOKEN_BODY))[0] == 503
        assert (await ask(client, "POST", "/sso/token", TOKEN_BODY))[0] == 200
        first, second = [asked.key for asked in native.asked if asked.path == "/v1/grants/exchange"]
        assert first == second
        # Who names the attempt has it as they named it; once an SDK's retries ran out, the product asks by another name and goes on with it.
        away.append(True)
        assert (await ask(client, "POST", "/sso/token", TOKEN_BODY, Idempotency_Key="mine"))[0] == 503
        assert (await ask(client, "POST", "/sso/token", TOKEN_BODY, Idempotency_Key="theirs"))[0] == 200
        for _ in range(2):
            assert (await ask(client, "POST", "/sso/token", TOKEN_BODY, Idempotency_Key="again"))[0] == 200
    later = [asked.key for asked in native.asked if asked.path == "/v1/grants/exchange"][2:]
    assert first not in later
    assert later[0] == later[1]
    assert later[2] == later[3]


async def test_an_outage_after_the_exchange_loses_nobodys_code() -> None:
    native = recorded(**{"POST /v1/connections": Unavailable()})
    async with compat(native) as client:
        assert (await ask(client, "POST", "/sso/token", TOKEN_BODY))[0] == 503
        native.answers["POST /v1/connections"] = CONNECTION
        assert (await ask(client, "POST", "/sso/token", TOKEN_BODY))[0] == 200
    assert len({asked.key for asked in native.asked if asked.path == "/v1/grants/exchange"}) == 1


async def test_an_access_token_of_nobody_is_refused() -> None:
    native = recorded(**{"POST /v1/sessions/authenticate": refused("session_invalid", 404)})
    async with compat(native) as client:
        for token in ("garbage", "client_02.sessiontoken", f"{CLIENT_ID}.wrong", "."):
            status, told = await ask(client, "GET", "/sso/profile", Authorization=f"Bearer {token}")
            assert (status, told["code"]) == (401, "unauthorized")


async def test_the_public_keys_are_those_that_the_sdks_can_read() -> None:
    rsa = {"kty": "RSA", "kid": "a", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB"}
    keys = {
        "keys": [rsa, {"kty": "OKP", "kid": "b", "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": "x"}]
    }
    native = recorded(**{"GET /.well-known/jwks.json": keys})
    async with compat(native) as client:
        status, told = await ask(client, "GET", f"/sso/jwks/{CLIENT_ID}")
        assert (await ask(client, "GET", "/sso/jwks/client_02"))[0] == 404
    assert status == 200
    assert told == {"keys": [{**rsa, "key_ops": ["verify"], "x5c": [], "x5tS256": "", "x5t#S256": ""}]}


async def test_connections_are_read_by_id_and_by_domain() -> None:
    path = f"/v1/connections/{CONNECTION['id']}"
    native = recorded(
        **{"GET /v1/connections": {"items": [CONNECTION], "next_cursor": None}, f"GET {path}": CONNECTION}
    )
    async with compat(native) as client:
        status, told = await ask(client, "GET", "/connections?domain=example.com&order=desc")
        assert await ask(client, "GET", f"/connections/{told['data'][0]['id']}") == (200, told["data"][0])
        assert (await ask(client, "GET", "/connections?connection_type=OktaSAML"))[1]["data"] == []
        assert (await ask(client, "GET", "/connections/conn_1"))[0] == 404
    assert status == 200
    assert native.asked[0].query == {"domain": "example.com", "limit": 10, "cursor": None}
