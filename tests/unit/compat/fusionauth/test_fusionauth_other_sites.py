"""Calls that read or write FusionAuth's cookies: a browser sends them for the product's own pages alone (login CSRF)."""

from typing import Any

import pytest

from shared.errors import Unavailable
from tests.unit.compat.fusionauth.native_answers import APPLICATION, Answers, compat

LOGIN, TWO_FACTOR = "/api/passwordless/login", "/api/two-factor/login"
REFRESH, LOGOUT = "/api/jwt/refresh", "/api/logout"
# What a form of another site sends as `text/plain`: its body is JSON all the same.
BODIES: dict[str, Any] = {
    LOGIN: {"code": "c0de"},
    TWO_FACTOR: {"twoFactorId": "0c", "code": "123456"},
    REFRESH: {"refreshToken": "0r"},
    LOGOUT: {"global": True, "refreshToken": "0r"},
}


@pytest.mark.parametrize("path", list(BODIES))
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
)
async def test_another_site_s_page_signs_nobody_in_or_out(path: str, headers: dict[str, str]) -> None:
    answers = Answers()
    async with compat(answers) as client, client.post(path, json=BODIES[path], headers=headers) as response:
        assert response.status == 403
        assert not response.cookies
        assert await response.read() == b""
    assert answers.asked == []


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://compat.test"}])
async def test_an_sdk_and_a_page_of_the_same_origin_are_answered(headers: dict[str, str]) -> None:
    body = {"code": "c0de", "applicationId": APPLICATION}
    async with compat(Answers()) as client, client.post(LOGIN, json=body, headers=headers) as response:
        assert response.status == 200
        cookies = list(response.cookies.values())
    assert {cookie.key for cookie in cookies} == {"access_token", "refresh_token"}
    for cookie in cookies:
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


async def test_cookies_are_for_https_alone_where_compat_is_reached_by_it() -> None:
    async with (
        compat(Answers(), "https://compat.test") as client,
        client.post(LOGIN, json={"code": "c0de"}) as response,
    ):
        assert [cookie["secure"] for cookie in response.cookies.values()] == [True, True]


async def test_a_refresh_token_that_may_be_used_again_goes_on_with_no_earlier_attempt() -> None:
    answers, path = Answers(), "POST /v1/sessions/refresh"
    answers.by_call[path] = Unavailable()
    async with compat(answers) as client:
        for _ in range(2):
            async with client.post(REFRESH, json={"refreshToken": "0r"}) as response:
                assert response.status == 503
    keys = [asked.key for asked in answers.asked if asked.what == path]
    assert len(set(keys)) == len(keys) == 2
