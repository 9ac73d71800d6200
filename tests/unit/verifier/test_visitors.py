"""Who asks for a page, and whom the button is refused to."""

from time import perf_counter

import pytest

from services.verifier.visitors import refuse_scanner, visitor_of
from shared.errors import ScannerRefused

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
SCANNERS = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0 A",
    "Microsoft Office Existence Discovery",
    "Mozilla/5.0 (compatible; SkypeUriPreview Preview/0.5)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Mimecast-UrlProtect",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) BarracudaCentral",
    "facebookexternalhit/1.1",
    "TelegramBot (like TwitterBot)",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
)
TOOLS = (
    "curl/8.5.0",
    "python-requests/2.32",
    "Python/3.11 aiohttp/3.9.5",
    "Go-http-client/2.0",
    CHROME.replace("Chrome/", "HeadlessChrome/"),
)


@pytest.mark.parametrize("agent", [CHROME, IPHONE, FIREFOX])
def test_a_browser_is_a_browser_and_may_press_the_button(agent: str) -> None:
    assert visitor_of({"User-Agent": agent}, "GET") == "browser"
    refuse_scanner({"User-Agent": agent})


@pytest.mark.parametrize("agent", SCANNERS)
def test_a_program_that_says_it_examines_mails_is_a_scanner_and_may_not(agent: str) -> None:
    assert visitor_of({"User-Agent": agent}, "GET") == "scanner"
    with pytest.raises(ScannerRefused):
        refuse_scanner({"User-Agent": agent})


def test_the_browser_inside_an_app_that_has_a_robot_may_press_the_button() -> None:
    agent = CHROME.replace("Safari/537.36", "Mobile Safari/537.36 Slack/24.11.20.0")
    refuse_scanner({"User-Agent": agent, "Sec-Fetch-Site": "same-origin"})
    with pytest.raises(ScannerRefused):
        refuse_scanner({"User-Agent": f"{CHROME} Proofpoint", "Sec-Fetch-Site": "same-origin"})


@pytest.mark.parametrize("agent", TOOLS)
def test_a_script_is_told_apart_in_the_timeline_and_may_press_the_button(agent: str) -> None:
    assert visitor_of({"User-Agent": agent}, "GET") == "scanner"
    refuse_scanner({"User-Agent": agent})


@pytest.mark.parametrize("headers", [{}, {"User-Agent": ""}, {"User-Agent": "  "}])
def test_who_says_nothing_is_a_scanner_and_may_press_the_button(headers: dict[str, str]) -> None:
    assert visitor_of(headers, "GET") == "scanner"
    refuse_scanner(headers)


def test_no_browser_asks_for_a_head() -> None:
    assert visitor_of({"User-Agent": CHROME}, "HEAD") == "scanner"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "Prefetch"},
        {"X-Moz": "prefetch"},
        {"X-Purpose": "preview"},
    ],
)
def test_a_page_that_is_fetched_ahead_was_seen_by_nobody(headers: dict[str, str]) -> None:
    assert visitor_of({"User-Agent": CHROME, **headers}, "GET") == "prefetch"


def test_a_long_agent_costs_no_more_than_a_short_one() -> None:
    refuse_scanner({"User-Agent": "warm"})
    started = perf_counter()
    refuse_scanner({"User-Agent": "x" * 8_000})
    assert perf_counter() - started < 1  # uncut: ten seconds
