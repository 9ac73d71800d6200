"""The mail that FusionAuth's `send` brings, and the page behind its link."""

import asyncio
import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.conformance.fusionauth.fusion import Answer, Fusion
from tests.e2e.browsing import FORM, look, press

pytestmark = pytest.mark.conformance


async def mailed_url(fusion: Fusion, address: str, count: int = 1) -> str:
    """Return the link of the newest mail to an address."""
    mail = (await fusion.house.until_caught(count, to=address))[0]
    return next(str(url) for url in mail["links"] if "/oauth2/passwordless/" in url)


async def test_the_mail_has_the_vendor_s_link_with_code_tenant_and_state(fusion: Fusion) -> None:
    user = await fusion.new_user()
    state = {
        "redirect_uri": f"{fusion.house.site_url}/callback",
        "state": "CSRF 1&2",
        "tenantId": "not this one",
    }
    code = await fusion.start(user, state=state)
    sent = await fusion.call("send_passwordless_code", {"code": code})
    assert (sent["status"], sent["text"]) == (200, "")
    url = urlsplit(await mailed_url(fusion, user["email"]))
    assert url.path == f"/oauth2/passwordless/{code}"
    assert parse_qs(url.query) == {
        "postMethod": ["true"],
        "tenantId": [fusion.tenant_id],
        "redirect_uri": [state["redirect_uri"]],
        "state": ["CSRF 1&2"],
    }
    # The code of the mail signs in through the API as well.
    assert (await fusion.login(code))["status"] == 200


async def test_the_page_consumes_by_its_button_only_and_leads_to_the_redirect_uri(fusion: Fusion) -> None:
    user = await fusion.new_user()
    target = f"{fusion.house.site_url}/callback"
    code = await fusion.start(user, state={"redirect_uri": target, "state": "CSRF 1&2"})
    await fusion.done_empty("send_passwordless_code", {"code": code})
    url = await mailed_url(fusion, user["email"])
    for _ in range(3):
        status, page = await look(fusion.house, url)
        assert status == 200
        assert page.count("<button") == 1
    foreign = await press(fusion.house, url, **{"Sec-Fetch-Site": "cross-site"})
    assert foreign[0] == 403
    async with fusion.house.session.post(url, headers=FORM, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == f"{target}?state=CSRF%201%262"
        cookies = {name: morsel.value for name, morsel in response.cookies.items()}
        assert response.cookies["access_token"]["httponly"]
    claims = (await fusion.done("validate_jwt", cookies["access_token"]))["jwt"]
    assert claims["sub"] == user["id"]
    assert claims["applicationId"] == fusion.application_id
    refreshed = await fusion.done(
        "exchange_refresh_token_for_jwt", {"refreshToken": cookies["refresh_token"]}
    )
    assert refreshed["token"]
    assert (await fusion.login(code))["status"] == 404
    assert (await press(fusion.house, url))[0] == 404


async def test_the_page_keeps_to_itself(fusion: Fusion) -> None:
    target = f"{fusion.house.site_url}/callback"
    for query, origins in ((f"&redirect_uri={target}", f"'self' {fusion.house.site_url}"), ("", "'self'")):
        url = f"{fusion.house.compat_url}/oauth2/passwordless/anything?postMethod=true&tenantId={fusion.tenant_id}{query}"
        async with fusion.house.session.get(url) as response:
            policy = response.headers["Content-Security-Policy"]
            assert f"form-action {origins};" in policy
            assert policy.startswith("default-src 'none';")
            assert "script-src" not in policy
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Referrer-Policy"] == "no-referrer"
    evil = f"{fusion.house.compat_url}/oauth2/passwordless/anything?redirect_uri=https://evil.example/"
    async with fusion.house.session.get(evil) as response:
        assert "evil" not in response.headers["Content-Security-Policy"]


async def test_a_foreign_redirect_uri_comes_back_as_state_and_leads_nowhere(fusion: Fusion) -> None:
    user = await fusion.new_user()
    state = {"redirect_uri": "https://evil.example/callback", "state": "CSRF123"}
    code = await fusion.start(user, state=state)
    url = f"{fusion.house.compat_url}/oauth2/passwordless/{code}?postMethod=true"
    status, location, page = await press(fusion.house, url)
    assert (status, location) == (200, None)
    assert "You are signed in" in html.unescape(page)
    assert (await fusion.login(await fusion.start(user, state=state)))["success"]["state"] == state


async def test_the_same_browser_pressing_twice_gets_the_same_answer_and_no_other_browser_does(
    fusion: Fusion,
) -> None:
    code = await fusion.start(await fusion.new_user())
    url = f"{fusion.house.compat_url}/oauth2/passwordless/{code}?postMethod=true"
    async with fusion.house.session.get(url) as response:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())
    first, second = [await press(fusion.house, url, Cookie=cookie) for _ in range(2)]
    assert first[0] == second[0] == 200
    assert (await press(fusion.house, url))[0] == 404


async def test_the_older_use_of_send_starts_and_sends_and_tells_nobody_who_is_a_user(fusion: Fusion) -> None:
    user, stranger = await fusion.new_user(), f"nobody{uuid4().hex}@example.com"
    asked = {"applicationId": fusion.application_id, "state": {"cart": 7}}
    login_ids = (user["email"], stranger, f"nobody{uuid4().hex}", "not an address @")
    answers = [
        await fusion.call("send_passwordless_code", {**asked, "loginId": login_id}) for login_id in login_ids
    ]
    assert [(answer["status"], answer["text"]) for answer in answers] == [(200, "")] * 4
    code = re.findall(r"/oauth2/passwordless/([^?]+)\?", await mailed_url(fusion, user["email"]))[0]
    assert (await fusion.login(code))["success"]["state"] == {"cart": 7}
    await asyncio.sleep(0.5)
    assert await fusion.house.inbox(to=stranger) == []


async def test_the_mail_of_a_form_field_has_the_one_time_code_and_no_link(fusion: Fusion) -> None:
    user = await fusion.new_user()
    asked = {"applicationId": fusion.application_id, "loginId": user["email"], "loginStrategy": "FormField"}
    started = await fusion.done("start_passwordless_login", asked)
    await fusion.done_empty("send_passwordless_code", {"code": started["code"]})
    mail = (await fusion.house.until_caught(1, to=user["email"]))[0]
    assert started["oneTimeCode"] in mail["text"]
    assert "/oauth2/" not in mail["text"]
    answer = await fusion.login(started["code"], oneTimeCode=started["oneTimeCode"])
    assert answer["status"] == 200


async def test_a_code_that_names_nothing_is_not_sent(fusion: Fusion) -> None:
    for code in ("garbage", "0" * 64, str(uuid4()), "a" * 500):
        answer = await fusion.call("send_passwordless_code", {"code": code})
        assert answer["status"] == 400, code
        assert list(answer["error"]["fieldErrors"]) == ["code"]
    missing: tuple[tuple[Answer, str], ...] = (
        ({}, "code"),
        ({"loginId": "x@example.com"}, "applicationId"),
        ({"applicationId": fusion.application_id}, "loginId"),
    )
    for asked, field in missing:
        answer = await fusion.call("send_passwordless_code", asked)
        problems: dict[str, Any] = answer["error"]["fieldErrors"]
        assert answer["status"] == 400
        assert problems[field][0]["code"] == f"[missing]{field}"
