"""The attempt's cookie outside dev: bound to this host, over https only."""

from aiohttp import web

from shared.http.browsers import BrowserCookie


def test_over_https_the_cookie_is_pinned_to_this_host() -> None:
    response = web.Response()
    cookie = BrowserCookie("https://links.example")
    cookie.give(response)
    morsel = response.cookies["__Host-ml"]
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")
    # RFC 6265bis: with this prefix a browser takes no Domain, and only the path `/`.
    assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert len(morsel.value) == 32


def test_over_http_in_dev_it_has_no_prefix_that_a_browser_would_refuse() -> None:
    response = web.Response()
    BrowserCookie("http://127.0.0.1:8002").give(response)
    assert list(response.cookies) == ["ml"]
    assert not response.cookies["ml"]["secure"]
