"""The attempt's cookie outside dev: bound to this host, over https only."""

from http.cookies import Morsel, SimpleCookie

import pytest
from aiohttp import web

from shared.http.browsers import BrowserCookie


def given(public_url: str) -> tuple[str, Morsel[str]]:
    """Return the header's text, and the one cookie that it sets."""
    response = web.Response()
    BrowserCookie(public_url).give(response)
    (text,) = response.headers.getall("Set-Cookie")
    (morsel,) = SimpleCookie(text).values()
    return text, morsel


def test_over_https_the_cookie_is_pinned_to_this_host() -> None:
    _, morsel = given("https://links.example")
    assert morsel.key == "__Host-ml"
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")
    # RFC 6265bis: with this prefix a browser takes no Domain, and only the path `/`.
    assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert len(morsel.value) == 32


def test_over_http_in_dev_it_has_no_prefix_that_a_browser_would_refuse() -> None:
    _, morsel = given("http://127.0.0.1:8002")
    assert morsel.key == "ml"
    assert not morsel["secure"]


@pytest.mark.parametrize("public_url", ["https://links.example", "http://127.0.0.1:8002"])
def test_the_cookie_is_written_as_the_library_writes_it(public_url: str) -> None:
    text, morsel = given(public_url)
    like, secure = web.Response(), public_url.startswith("https:")
    like.set_cookie(
        morsel.key, morsel.value, max_age=86_400, path="/", secure=secure, httponly=True, samesite="Lax"
    )
    assert text == like.cookies[morsel.key].OutputString()
