"""The example site in front of a stand-in for issuer and verifier; the browser is an aiohttp session with cookies."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from examples.product_service import ASKED, make_app

Browser = TestClient[web.Request, web.Application]
LINK = {"id": "l1", "app_id": "a1", "user_id": "u1", "type": "login", "status": "consumed"}
HEADERS = {
    "Referrer-Policy": "strict-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass
class Cluster:
    """Remembers what was asked for; `grant-…` codes exchange once, with the state of the link asked for last."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    down: bool = False
    pairings: list[dict[str, Any]] = field(default_factory=list)
    pairing_url: str = ""  # empty: pairing does not work

    async def create_link(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "@" not in body["email"]:
            return refuse(422, "invalid_request")
        self.asked.append(body)
        self.grants[f"grant-{len(self.asked)}"] = body
        return web.json_response({"link": LINK, "message": None}, status=201)

    async def pair(self, request: web.Request) -> web.Response:
        self.pairings.append({"link_id": request.match_info["id"], **await request.json()})
        if not self.pairing_url:
            return refuse(409, "link_over")
        return web.json_response(
            {"pairing_url": self.pairing_url, "expires_at": "2026-01-01T00:00:00Z"}, status=201
        )

    async def verify_passcode(self, request: web.Request) -> web.Response:
        body = await request.json()
        if (body["link_id"], body["passcode"]) != ("l1", "123456"):
            return refuse(400, "passcode_invalid")
        user = {"id": "u1", "email": self.asked[-1]["email"]}
        return web.json_response({"link": LINK, "user": user, "state": None, "metadata": {}})

    async def exchange(self, request: web.Request) -> web.Response:
        if self.down:
            return refuse(503, "unavailable", {"Retry-After": "60"})
        body = self.grants.pop((await request.json())["code"], None)
        if body is None:
            return refuse(400, "grant_invalid")
        user = {"id": "u1", "email": body["email"]}
        return web.json_response({"link": LINK, "user": user, "state": body.get("state"), "metadata": {}})


def refuse(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"status": status, "code": code, "title": "No."}, status=status, headers=headers)


@pytest.fixture
async def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def site(cluster: Cluster) -> AsyncIterator[TestServer]:
    services = web.Application()
    services.router.add_post("/v1/links", cluster.create_link)
    services.router.add_post("/v1/links/{id}/pairing", cluster.pair)
    services.router.add_post("/v1/passcodes/verify", cluster.verify_passcode)
    services.router.add_post("/v1/grants/exchange", cluster.exchange)
    async with TestServer(services) as server:
        url = str(server.make_url("")).rstrip("/")
        settings = {
            "issuer_url": url,
            "verifier_url": url,
            "api_key": "k",
            "inbox_url": "http://127.0.0.1:8005",
            "links_url": "https://links.example/base",
        }
        app = make_app(settings, ["http://site.example", "http://localhost.example"])
        example = TestServer(app)
        async with example:
            yield example


@pytest.fixture
async def browser(site: TestServer) -> AsyncIterator[Browser]:
    async with TestClient(site, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield client


@pytest.fixture
async def other_browser(site: TestServer) -> AsyncIterator[Browser]:
    async with TestClient(site, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield client


async def ask(browser: Browser, email: str = "ada@example.com") -> str:
    async with browser.post("/sign-in", data={"email": email}) as response:
        return await response.text()


async def read(browser: Browser, path: str = "/") -> str:
    async with browser.get(path) as response:
        return await response.text()


async def test_a_user_signs_in_and_out(browser: Browser, cluster: Cluster) -> None:
    assert "Sign in" in await read(browser)
    page = await ask(browser)
    assert "Look into your inbox" in page
    assert "http://127.0.0.1:8005" in page
    assert cluster.asked[0]["channel"] == "email"
    assert cluster.asked[0]["redirect_url"] == "http://site.example/signed-in"
    assert "Signed in as ada@example.com" in await read(browser, "/signed-in?code=grant-1&state=x")
    async with browser.post("/sign-out") as response:
        assert "Sign in" in await response.text()
    assert "Signed in as" not in await read(browser)


async def test_the_link_leads_back_to_the_address_that_the_browser_uses(
    browser: Browser, cluster: Cluster
) -> None:
    for host, origin in (("localhost.example", "http://localhost.example"), ("evil", "http://site.example")):
        async with browser.post("/sign-in", data={"email": "a@example.com"}, headers={"Host": host}):
            assert cluster.asked[-1]["redirect_url"] == f"{origin}/signed-in"


async def test_the_browser_is_led_over_the_verifier_and_back(browser: Browser, cluster: Cluster) -> None:
    cluster.pairing_url = "https://links.example/pair/x"
    data = {"email": "ada@example.com"}
    async with browser.post("/sign-in", data=data, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "https://links.example/pair/x")
        # Browsers hold the form's redirect to this list.
        assert "form-action 'self' https://links.example;" in response.headers["Content-Security-Policy"]
    assert cluster.pairings == [{"link_id": "l1", "return_url": "http://site.example/sent"}]
    assert "Look into your inbox" in await read(browser, "/sent")


async def test_when_pairing_does_not_work_signing_in_goes_on(browser: Browser, cluster: Cluster) -> None:
    async with browser.post("/sign-in", data={"email": "a@example.com"}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/sent")


async def test_the_passcode_of_the_mail_signs_in_this_browser(browser: Browser, cluster: Cluster) -> None:
    await ask(browser)
    assert cluster.asked[0]["passcode"] is True
    async with browser.post("/passcode", data={"passcode": "123456"}) as response:
        assert "Signed in as ada@example.com" in await response.text()


async def test_a_wrong_passcode_leads_back_to_the_field(browser: Browser, cluster: Cluster) -> None:
    await ask(browser)
    async with browser.post("/passcode", data={"passcode": "<b>"}) as response:
        assert response.status == 400
        page = await response.text()
    assert "This code is wrong, used or too old" in page
    assert 'href="/sent"' in page
    assert 'name="passcode"' in await read(browser, "/sent")


async def test_a_browser_that_asked_for_nothing_has_no_passcode_to_type(
    browser: Browser, other_browser: Browser, cluster: Cluster
) -> None:
    await ask(browser)
    assert "Your e-mail" in await read(other_browser, "/sent")
    async with other_browser.post("/passcode", data={"passcode": "123456"}) as response:
        assert "Your e-mail" in await response.text()


async def test_a_code_from_another_browser_signs_in_only_after_the_user_agreed(
    browser: Browser, other_browser: Browser
) -> None:
    await ask(browser, "mallory@example.com")
    page = await read(other_browser, "/signed-in?code=grant-1")
    assert "Sign in as mallory@example.com?" in page
    assert "Signed in as" not in page
    async with other_browser.post("/agree", data={"answer": "yes"}) as response:
        assert "Signed in as mallory@example.com" in await response.text()


async def test_who_does_not_agree_stays_who_they_are(browser: Browser, other_browser: Browser) -> None:
    await ask(browser, "ada@example.com")
    assert "Signed in as ada" in await read(browser, "/signed-in?code=grant-1")
    await ask(other_browser, "mallory@example.com")
    assert "Sign in as mallory@example.com?" in await read(browser, "/signed-in?code=grant-2")
    async with browser.post("/agree", data={"answer": "no"}) as response:
        assert "Signed in as ada@example.com" in await response.text()


async def test_a_link_without_state_is_never_taken_for_one_that_was_asked_for(
    browser: Browser, cluster: Cluster
) -> None:
    cluster.grants["reminder"] = {"email": "ada@example.com"}
    assert "Sign in as ada@example.com?" in await read(browser, "/signed-in?code=reminder&state=")


async def test_an_address_is_text_in_every_page(browser: Browser, cluster: Cluster) -> None:
    cluster.grants["odd"] = {"email": '"<script>"@example.com'}
    page = await read(browser, "/signed-in?code=odd")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


async def test_a_used_code_is_a_page_with_a_way_on(browser: Browser) -> None:
    async with browser.get("/signed-in?code=unknown") as response:
        assert response.status == 400
        page = await response.text()
    assert "has been used" in page
    assert 'href="/"' in page


async def test_a_wrong_address_is_a_page_with_a_way_on(browser: Browser) -> None:
    page = await ask(browser, "<b>nonsense</b>")
    assert "Please check what you typed" in page
    assert "<b>" not in page


async def test_an_outage_is_a_page_and_the_code_works_afterwards(browser: Browser, cluster: Cluster) -> None:
    await ask(browser)
    cluster.down = True
    async with browser.get("/signed-in?code=grant-1") as response:
        assert response.status == 503
    cluster.down = False
    assert "Signed in as ada@example.com" in await read(browser, "/signed-in?code=grant-1")


async def test_an_unknown_path_and_a_bare_callback_are_pages(browser: Browser) -> None:
    for path in ("/nowhere", "/signed-in"):
        async with browser.get(path) as response:
            assert response.status == 404
            assert 'href="/"' in await response.text()


@pytest.mark.parametrize("path", ["/sign-in", "/passcode", "/agree", "/sign-out"])
async def test_a_form_of_another_site_is_refused(browser: Browser, cluster: Cluster, path: str) -> None:
    for origin in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": origin}
        async with browser.post(path, data={"email": "a@example.com"}, headers=headers) as response:
            assert response.status == 403
    assert not cluster.asked


async def test_pages_are_strict_and_cookies_are_out_of_reach_of_scripts(browser: Browser) -> None:
    data = {"email": "<i>@example.com"}
    async with browser.post("/sign-in", data=data, allow_redirects=False) as response:
        cookie = response.cookies[ASKED]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    async with browser.get("/sent") as response:
        assert "<i>" not in await response.text()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "script" not in response.headers["Content-Security-Policy"]
        assert HEADERS.items() <= dict(response.headers).items()


async def test_signing_in_gives_a_new_session_id(browser: Browser) -> None:
    ids = set()
    for number in (1, 2):
        await ask(browser)
        async with browser.get(f"/signed-in?code=grant-{number}", allow_redirects=False) as response:
            ids.add(response.cookies["product_session"].value)
    assert len(ids) == 2
