from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redirects import (
    RedirectPolicy,
    RedirectRefused,
    check_entry,
    check_url,
    entries_problem,
    explain_refusal,
    origin,
)

POLICY = RedirectPolicy(
    "https://site.example/base",
    (
        "https://app.example/callback",
        "https://app.example/with?tenant=1",
        "https://app.example/app/*",
        "https://ported.example:8443/x",
    ),
)


def refused_by(url: str, policy: RedirectPolicy = POLICY) -> str | None:
    try:
        policy.resolve(url)
    except RedirectRefused as refused:
        return refused.rule
    return None


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/callback",
        "HTTPS://APP.example/callback",
        "https://app.example:443/callback",
        "https://app.example/with?tenant=1",
        "https://app.example/app/",
        "https://app.example/app/deep/er?any=1",
        "https://app.example/app/..hidden",
        "https://ported.example:8443/x",
        "https://site.example/base",
        "https://site.example/base/welcome?x=1",
    ],
)
def test_what_the_list_allows_is_led_to_as_it_was_given(url: str) -> None:
    assert POLICY.resolve(url) == url


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        # Other places altogether.
        ("https://evil.example/callback", "redirect_not_allowed"),
        ("https://app.example.evil.example/callback", "redirect_not_allowed"),
        ("https://sub.app.example/callback", "redirect_not_allowed"),
        ("https://app.example./callback", "redirect_host"),
        ("https://xn--pp-xka.example/callback", "redirect_not_allowed"),
        ("https://аpp.example/callback", "redirect_malformed"),  # noqa: RUF001 - in Cyrillic
        ("https://app。example/callback", "redirect_malformed"),
        # Who the host is.
        ("https://app.example@evil.example/callback", "redirect_userinfo"),
        ("https://app.example:pw@evil.example/callback", "redirect_userinfo"),
        ("https://@app.example/callback", "redirect_userinfo"),
        (r"https://evil.example\@app.example/callback", "redirect_malformed"),
        (r"https://app.example\.evil.example/callback", "redirect_malformed"),
        ("https://app.example%2eevil.example/callback", "redirect_host"),
        ("https://*.example/callback", "redirect_host"),
        ("https:///callback", "redirect_scheme"),
        ("https:app.example/callback", "redirect_scheme"),
        ("https:/app.example/callback", "redirect_scheme"),
        # What browsers drop.
        ("https://app.example/call\tback", "redirect_malformed"),
        ("https://app.exa\nmple/callback", "redirect_malformed"),
        ("https://app.example/callback\r\nSet-Cookie: a=b", "redirect_malformed"),
        (" https://app.example/callback", "redirect_malformed"),
        ("\x01https://app.example/callback", "redirect_malformed"),
        ("java\tscript:alert(1)", "redirect_malformed"),
        # Schemes and ports.
        ("http://app.example/callback", "redirect_https_only"),
        ("javascript:alert(1)", "redirect_scheme"),
        ("data:text/html,x", "redirect_scheme"),
        ("ftp://app.example/callback", "redirect_scheme"),
        ("https://app.example:8443/callback", "redirect_not_allowed"),
        ("https://app.example:80/callback", "redirect_not_allowed"),
        ("https://app.example:0/callback", "redirect_host"),
        ("https://app.example:99999/callback", "redirect_malformed"),
        ("https://app.example:443x/callback", "redirect_malformed"),
        ("https://ported.example/x", "redirect_not_allowed"),
        # Leaving the folder.
        ("https://app.example/application", "redirect_not_allowed"),
        ("https://app.example/app", "redirect_not_allowed"),
        ("https://app.example/app/../admin", "redirect_not_allowed"),
        ("https://app.example/app/%2e%2e/admin", "redirect_not_allowed"),
        ("https://app.example/app/%252e%252e/admin", "redirect_not_allowed"),
        ("https://app.example/app/.%2E/admin", "redirect_not_allowed"),
        ("https://app.example/app/x%2f..%2fadmin", "redirect_not_allowed"),
        ("https://app.example/app/..%5cadmin", "redirect_not_allowed"),
        ("https://app.example/app/..;/admin", "redirect_not_allowed"),
        ("https://app.example/app/..", "redirect_not_allowed"),
        ("https://app.example/APP/x", "redirect_not_allowed"),
        ("https://site.example/baseline", "redirect_not_allowed"),
        ("https://site.example/", "redirect_not_allowed"),
        # What stands behind an exact entry.
        ("https://app.example/callback/", "redirect_not_allowed"),
        ("https://app.example/callback?next=//evil.example", "redirect_not_allowed"),
        ("https://app.example/with", "redirect_not_allowed"),
        ("https://app.example/with?tenant=2", "redirect_not_allowed"),
        ("https://app.example/with?tenant=1&x=2", "redirect_not_allowed"),
        ("https://app.example/callback#x", "redirect_fragment"),
        ("https://app.example/callback#", "redirect_fragment"),
        ("https://app.example/" + "x" * 2048, "redirect_malformed"),
    ],
)  # fmt: skip
def test_an_attack_is_refused_with_the_rule_that_refused_it(url: str, rule: str) -> None:
    assert refused_by(url) == rule


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [("/welcome", "https://site.example/base/welcome"), ("/", "https://site.example/base/"),
     ("/w?next=//evil.example", "https://site.example/base/w?next=//evil.example")],
)  # fmt: skip
def test_a_path_leads_under_the_base_url(path: str, leads_to: str) -> None:
    assert POLICY.resolve(path) == leads_to


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("//evil.example", "redirect_not_a_path"),
        ("///evil.example", "redirect_not_a_path"),
        (r"/\evil.example", "redirect_not_a_path"),
        ("/../admin", "redirect_not_a_path"),
        ("/%2e%2e/admin", "redirect_not_a_path"),
        ("/%252e%252e/admin", "redirect_not_a_path"),
        ("/..;/admin", "redirect_not_a_path"),
        ("/x#y", "redirect_fragment"),
        ("/\t/evil.example", "redirect_malformed"),
        ("/x y", "redirect_malformed"),
    ],
)
def test_a_path_that_leaves_the_base_url_is_refused(path: str, rule: str) -> None:
    assert refused_by(path) == rule


def test_a_path_needs_a_base_url() -> None:
    assert refused_by("/x", RedirectPolicy(None, POLICY.entries)) == "redirect_needs_base_url"


def test_an_app_without_a_list_leads_nowhere() -> None:
    assert refused_by("https://app.example/", RedirectPolicy(None, ())) == "redirect_not_allowed"


def test_http_is_for_the_dev_environment() -> None:
    entries = ("http://127.0.0.1:8000/callback",)
    assert refused_by(entries[0], RedirectPolicy(None, entries, allow_http=False)) == "redirect_https_only"
    assert RedirectPolicy(None, entries, allow_http=True).resolve(entries[0]) == entries[0]


def test_an_ip6_address_may_be_listed() -> None:
    policy = RedirectPolicy(None, ("https://[2001:db8::1]:8443/x",))
    assert policy.resolve("https://[2001:db8::1]:8443/x")
    assert refused_by("https://[2001:db8::2]:8443/x", policy) == "redirect_not_allowed"
    assert refused_by("https://[::1", policy) == "redirect_malformed"


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ("https://*/x", "redirect_host"),
        ("https://*.app.example/*", "redirect_host"),
        ("https://app.example/a*", "redirect_wildcard"),
        ("https://app.example/*/x", "redirect_wildcard"),
        ("https://app.example/*/*", "redirect_wildcard"),
        ("https://app.example/x?y=*", "redirect_wildcard"),
        ("https://app.example/x?y=/*", "redirect_wildcard"),
        ("http://app.example/*", "redirect_https_only"),
        ("/x", "redirect_scheme"),
        ("*", "redirect_scheme"),
    ],
)
def test_an_entry_has_one_star_at_the_end_of_its_path_or_none(entry: str, rule: str) -> None:
    with pytest.raises(RedirectRefused) as refused:
        check_entry(entry, allow_http=False)
    assert refused.value.rule == rule


@pytest.mark.parametrize(
    "entry", ["https://app.example/*", "https://app.example/a/b/*", "https://app.example/x?y=1"]
)
def test_a_good_entry_is_taken(entry: str) -> None:
    check_entry(entry, allow_http=False)
    assert entries_problem([entry], allow_http=False) is None


def test_the_first_bad_entry_of_a_list_is_named() -> None:
    words = entries_problem(["https://a.example/", "http://b.example/"], allow_http=False)
    assert words == "'http://b.example/' must be https outside the dev environment"


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://App.example/x?y", "https://app.example"),
        ("https://app.example:443/", "https://app.example"),
        ("http://app.example:80/", "http://app.example"),
        ("http://app.example:443/", "http://app.example:443"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_written_as_a_browser_writes_it(url: str, written: str) -> None:
    assert origin(url) == written


@given(st.text(alphabet="ahtps:/\\.@#?%2ef;*\t example", max_size=40))
def test_whatever_is_allowed_lies_on_a_listed_host(text: str) -> None:
    policy = RedirectPolicy("https://a.example/p", ("https://a.example/*",))
    for url in (text, f"https://a.example{text}", f"https://{text}a.example/"):
        try:
            resolved = policy.resolve(url)
        except RedirectRefused:
            continue
        assert check_url(resolved, allow_http=False).hostname == "a.example"
        assert urlsplit(resolved).netloc.lower() in ("a.example", "a.example:", "a.example:443")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://app.exmaple/callback", "host (app.exmaple, not app.example)"),
        ("http://app.example/callback", "scheme (http, not https)"),
        ("https://app.example:8443/callback", "port (8443, not 443)"),
        ("https://app.example/callbak", "path (/callbak, not /callback)"),
        ("https://app.example/callback?token=secret", "differs by query"),
        (
            "https://shop.example/application",
            "https://shop.example/app/*, which differs by path (/application is not under /app/)",
        ),
        ("https://shop.example/app/../admin", "is not under /app/"),
        ("https://app.exmaple:8443/callback", "host (app.exmaple, not app.example) and port (8443, not 443)"),
    ],
)
def test_a_refused_redirect_is_told_what_it_missed(url: str, words: str) -> None:
    entries = ["https://app.example/callback", "https://shop.example/app/*"]
    explained = explain_refusal(entries, url)
    assert words in explained
    assert all(entry in explained for entry in entries)
    assert "secret" not in explained


def test_where_there_is_no_entry_nothing_is_near() -> None:
    assert explain_refusal([], "https://app.example/") == "there are no entries"
    assert "entries: https://a.example/" in explain_refusal(["https://a.example/"], "https://[bad/")
    many = explain_refusal([f"https://a.example/{n}" for n in range(30)], "https://b.example/")
    assert ("https://a.example/19, …" in many, "https://a.example/20" in many) == (True, False)


def test_what_one_list_allowed_is_judged_anew_by_another() -> None:
    # Verdicts are remembered: never past a change of the app's settings.
    url = "https://shop.example/in"
    for _ in range(2):
        assert RedirectPolicy(None, ("https://shop.example/*",)).resolve(url) == url
        with pytest.raises(RedirectRefused):
            RedirectPolicy(None, ("https://shop.example/*",), exact=True).resolve(url)
        with pytest.raises(RedirectRefused):
            RedirectPolicy(None, ("https://other.example/*",)).resolve(url)
