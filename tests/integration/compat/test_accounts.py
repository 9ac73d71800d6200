"""Whose call it is, as the native API says: against a server that answers as the native API does."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from services.compat.accounts import Accounts
from services.compat.native import Native, NativeRefusal, Urls, segment
from shared.errors import Unauthorized, Unavailable
from shared.http.addresses import asking_address

APP = {"id": str(UUID(int=7)), "vendor": "stytch", "vendor_id": "project-test-1", "vendor_settings": {"a": 1}}
KEY = "mlk_000000000000_" + "k" * 43
OWN = "mlk_000000000000_" + "o" * 43
PROBLEM = "application/problem+json"


class NativeApi:
    """What was asked of it, and how it is."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.away = False
        self.own_key_works = True
        self.native: Native

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, dict(request.headers)))
        if self.away:
            return problem(503, "unavailable", retry_after="0")
        if request.path == "/v1/keys/self":
            known = {f"Bearer {KEY}": {"endpoints": {"/api/x": ["POST"]}, "app": APP}}
            found = known.get(request.headers["Authorization"])
            return web.json_response(found) if found else problem(401, "unauthorized")
        if request.path == "/v1/apps/by-vendor":
            if not self.own_key_works:
                return problem(401, "unauthorized")
            is_known = request.query["vendor_id"] == APP["vendor_id"]
            return web.json_response(APP) if is_known else problem(404, "not_found")
        return problem(
            409, "link_consumed", detail="no", errors=[{"field": "a", "rule": "b", "message": "c"}], extra=1
        )


def problem(status: int, code: str, retry_after: str | None = None, **members: Any) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = {"type": "about:blank", "title": code, "status": status, "code": code, **members}
    return web.json_response(body, status=status, content_type=PROBLEM, headers=headers)


@pytest.fixture
async def api() -> AsyncIterator[NativeApi]:
    api = NativeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        api.native = Native(session, Urls(url, url), OWN)
        yield api


@pytest.fixture
def accounts(api: NativeApi) -> Accounts:
    return Accounts(api.native)


async def test_a_vendors_key_is_a_native_key_of_an_app_of_that_vendor(
    api: NativeApi, accounts: Accounts
) -> None:
    account = await accounts.of_key("stytch", KEY, holds_to_endpoints=True)
    assert (account.app.id, account.app.vendor_id, account.app.vendor_settings) == (
        UUID(int=7),
        "project-test-1",
        {"a": 1},
    )
    assert account.may_call("POST", "/api/x")
    assert not account.may_call("GET", "/api/x")
    assert not account.may_call("POST", "/api/y")
    with pytest.raises(NativeRefusal):
        await account.native.issuer("GET", "/v1/anything")
    assert api.asked[-1][2]["Authorization"] == f"Bearer {KEY}"
    assert "Magiclink-App" not in api.asked[-1][2]


@pytest.mark.parametrize(("vendor", "key"), [("stytch", OWN), ("workos", KEY)])
async def test_an_unknown_key_and_one_of_another_vendors_app_are_refused_alike(
    accounts: Accounts, vendor: str, key: str
) -> None:
    with pytest.raises(Unauthorized):
        await accounts.of_key(vendor, key)


async def test_the_operator_is_told_of_a_key_that_was_mixed_up_with_another_apps(accounts: Accounts) -> None:
    with capture_logs() as logged, pytest.raises(Unauthorized):
        await accounts.of_key("workos", KEY)
    (line,) = logged
    assert (line["event"], line["vendor"], line["answers_as"]) == ("key_of_another_app", "workos", "stytch")
    assert KEY not in str(line)


async def test_what_is_known_is_not_asked_for_again_until_it_is_forgotten(
    api: NativeApi, accounts: Accounts
) -> None:
    for _ in range(3):
        await accounts.of_key("stytch", KEY, holds_to_endpoints=True)
    assert len(api.asked) == 1
    accounts.forget()
    await accounts.of_key("stytch", KEY, holds_to_endpoints=True)
    assert len(api.asked) == 2


async def test_a_key_limited_to_endpoints_is_refused_where_nobody_holds_it_to_them(
    accounts: Accounts,
) -> None:
    with pytest.raises(Unauthorized):
        await accounts.of_key("stytch", KEY)


@pytest.mark.parametrize("name", ["x" * 201, "a b", "a\nb", ""])
async def test_what_is_no_key_and_no_name_is_neither_asked_for_nor_remembered(
    api: NativeApi, accounts: Accounts, name: str
) -> None:
    with pytest.raises(Unauthorized):
        await accounts.of_key("stytch", name)
    assert await accounts.of_vendor_id("stytch", name) is None
    assert api.asked == []


async def test_a_compat_whose_own_key_was_revoked_is_away_and_tells_nobody_that_their_app_is_gone(
    api: NativeApi, accounts: Accounts
) -> None:
    api.own_key_works = False
    with pytest.raises(Unavailable):
        await accounts.of_vendor_id("stytch", "project-test-1")
    api.own_key_works = True
    assert await accounts.of_vendor_id("stytch", "project-test-1") is not None


async def test_the_native_api_is_told_whose_request_is_being_answered(
    api: NativeApi, accounts: Accounts
) -> None:
    await accounts.of_vendor_id("stytch", "project-test-1")
    assert "X-Forwarded-For" not in api.asked[-1][2]
    accounts.forget()
    token = asking_address.set("203.0.113.9")
    try:
        await accounts.of_vendor_id("stytch", "project-test-1")
    finally:
        asking_address.reset(token)
    assert api.asked[-1][2]["X-Forwarded-For"] == "203.0.113.9"


async def test_an_outage_is_no_refusal_of_the_key_and_is_not_remembered(
    api: NativeApi, accounts: Accounts
) -> None:
    api.away = True
    with pytest.raises(NativeRefusal) as refusal:
        await accounts.of_key("stytch", KEY)
    assert refusal.value.status == 503
    api.away = False
    await accounts.of_key("stytch", KEY, holds_to_endpoints=True)


async def test_a_call_without_a_key_acts_for_the_app_that_it_names(
    api: NativeApi, accounts: Accounts
) -> None:
    account = await accounts.of_vendor_id("stytch", "project-test-1")
    assert account is not None
    assert account.endpoints is None
    with pytest.raises(NativeRefusal):
        await account.native.verifier("POST", "/v1/links/verify", {"token": "t"}, key="one")
    headers = api.asked[-1][2]
    assert headers["Authorization"] == f"Bearer {OWN}"
    assert headers["Magiclink-App"] == APP["id"]
    assert headers["Idempotency-Key"] == "one"
    assert await accounts.of_vendor_id("stytch", "project-test-2") is None


async def test_a_refusal_says_what_the_native_api_said(api: NativeApi) -> None:
    with pytest.raises(NativeRefusal) as raised:
        await api.native.with_key(KEY).verifier("POST", "/v1/links/verify", {})
    refusal = raised.value
    assert (refusal.native_code, refusal.status, refusal.members) == ("link_consumed", 409, {"extra": 1})
    assert refusal.broke("b")
    assert not refusal.broke("c")
    assert refusal.faulted("x", "a")
    assert KEY not in str(refusal)


async def test_every_post_carries_a_key_of_its_own(api: NativeApi) -> None:
    caller = api.native.with_key(KEY)
    for _ in range(2):
        with pytest.raises(NativeRefusal):
            await caller.issuer("POST", "/v1/links", {})
    first, second = (headers["Idempotency-Key"] for _, _, headers in api.asked)
    assert first != second


async def test_nobody_there_is_unavailable(api: NativeApi) -> None:
    native = Native(api.native.session, Urls("http://127.0.0.1:1", "http://127.0.0.1:1"), OWN)
    with pytest.raises(Unavailable):
        await native.with_key(KEY).issuer("GET", "/v1/keys/self")


async def test_absent_parts_of_a_query_are_left_out(api: NativeApi) -> None:
    with pytest.raises(NativeRefusal):
        await api.native.with_key(KEY).issuer(
            "GET", "/v1/users", query={"email": "a+b@example.com", "phone": None}
        )
    assert api.asked[-1][1] == "/v1/users?email=a%2Bb@example.com"


def test_an_id_stays_one_segment_of_the_path() -> None:
    assert segment("../keys/self?x=1") == "..%2Fkeys%2Fself%3Fx%3D1"


async def test_a_caller_shows_no_key(api: NativeApi) -> None:
    assert KEY not in repr(api.native.with_key(KEY))
    assert OWN not in repr(api.native.acting_for(UUID(int=1)))
