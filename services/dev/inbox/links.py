"""Finding the links of a message. Only http and https count: a `javascript:` link must never become a button."""

import re
from html.parser import HTMLParser

MAX_LINKS = 50

_URL = re.compile(r"https?://[^\s<>\"'`]+", re.IGNORECASE)
_CLOSERS = {")": "(", "]": "[", "}": "{"}


def find_links(text: str, html: str | None) -> tuple[str, ...]:
    """The links of the text, then those only the HTML has; each once, at most `MAX_LINKS`."""
    found = [_without_sentence_end(match.group()) for match in _URL.finditer(text)]
    if html:
        anchors = _Anchors()
        anchors.feed(html)
        anchors.close()
        found += anchors.hrefs
    return tuple(dict.fromkeys(found))[:MAX_LINKS]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            return
        for name, value in attrs:
            url = (value or "").strip()
            if name == "href" and _URL.fullmatch(url):
                self.hrefs.append(url)


def _without_sentence_end(url: str) -> str:
    """Drop what belongs to the sentence around the URL: `see https://x/y).` means `https://x/y`."""
    while url:
        last = url[-1]
        unbalanced = last in _CLOSERS and url.count(last) > url.count(_CLOSERS[last])
        if last not in ".,;:!?" and not unbalanced:
            return url
        url = url[:-1]
    return url
