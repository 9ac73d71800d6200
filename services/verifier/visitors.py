"""Who asks for a page: a person's browser, a program that examines mails, or a browser that fetches ahead.

Good for two things only: telling visits apart in a timeline, and refusing the button to programs that say openly what they are.
Whoever hides behind a browser's User-Agent is a browser to us; that a GET never consumes (G5) is what keeps links safe from scanners.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from crawlerdetect import CrawlerDetect  # type: ignore[import-untyped]

from shared.errors import ScannerRefused

Visitor = Literal["browser", "scanner", "prefetch", "api"]

# The list's expressions take quadratic time: 5,000 letters cost seconds. Every name worth knowing stands further ahead.
_AGENT_CHARS = 256
_AGENTS_KEPT = 4096
_PURPOSES = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
_AHEAD = ("prefetch", "prerender", "preview")

# Scanners of mails and chats that crawlerdetect 0.4 does not know.
_MORE_SCANNERS = re.compile(
    r"safelinks|ms-?office|microsoft office|"  # Microsoft Defender and Office, which look at links before they are opened
    r"proofpoint|mimecast|barracuda|ironport|messagelabs|trendmicro|symantec|fireeye|forcepoint|sophos|"
    r"mailguard|hornetsecurity|vade ?secure|"
    r"teams(bot|preview|linkpreview)|skypeuripreview|googleimageproxy|yahoomailproxy|"
    r"link-?expanding|link-?preview|url-?preview|bitlybot|applebot",
    re.IGNORECASE,
)
# Tools of people who know what they send: a script may press the button, and a driven browser is a person to us (DESIGN §4).
_TOOLS = re.compile(
    r"^(curl|wget|httpie|python|aiohttp|httpx|go-http-client|okhttp|java/|axios|node|undici|ruby|php|perl|libwww-perl|postman|insomnia)"
    r"|aiohttp/|headlesschrome",
    re.IGNORECASE,
)
_crawlers = CrawlerDetect()


def visitor_of(headers: Mapping[str, str], method: str) -> Visitor:
    """Say who asks, by the request's headers (any case of names, as aiohttp gives them) and method."""
    if _fetches_ahead(headers):
        return "prefetch"
    agent = headers.get("User-Agent", "").strip()
    # Every browser says what it is, and none sends HEAD for a page.
    if method == "HEAD" or not agent or _is_scanner(agent[:_AGENT_CHARS]):
        return "scanner"
    return "browser"


def refuse_scanner(headers: Mapping[str, str]) -> None:
    """Raise `ScannerRefused` for a POST of a program that says it examines mails. Nothing was read or changed by then.

    A missing User-Agent is not refused, nor are tools such as curl: who calls by script may press the button. A name of the long
    list does not tell a robot from the browser inside an app (Slack's carries "Slack"), so what browsers send with a form clears it.
    """
    agent = headers.get("User-Agent", "").strip()[:_AGENT_CHARS]
    if not agent or _TOOLS.search(agent):
        return
    if _MORE_SCANNERS.search(agent) or ("Sec-Fetch-Site" not in headers and _is_scanner(agent)):
        raise ScannerRefused


def _fetches_ahead(headers: Mapping[str, str]) -> bool:
    purposes = [headers[name].lower() for name in _PURPOSES if name in headers]
    return any(word in purpose for purpose in purposes for word in _AHEAD)


@lru_cache(maxsize=_AGENTS_KEPT)
def _is_scanner(agent: str) -> bool:
    # Building the list's expression takes 50 ms, once a process; each new agent a fraction of one.
    return bool(_MORE_SCANNERS.search(agent) or _crawlers.is_crawler(agent))
