"""Where values stand on a mail's page: whether it may be prepared with slots for them, and how they are written there."""

import re
from html.parser import HTMLParser

from shared.slots import has_slot, pieces_of

# Written in one way in text and in another in attributes.
_WRITTEN_TWO_WAYS = re.compile('[<>"]')
# Elements whose contents a parser reads, or the inliner writes, otherwise than running text.
_UNLIKE_TEXT = frozenset(
    [
        "iframe",
        "listing",
        "math",
        "noembed",
        "noframes",
        "noscript",
        "plaintext",
        "pre",
        "script",
        "select",
        "svg",
        "template",
        "textarea",
        "xmp",
    ]
)
# Styles that may ask for what stands in the address of a link; what is escaped may be anything.
_ASKS_FOR_ADDRESSES = re.compile(r"href|\\", re.IGNORECASE)
# `&#{{ passcode }};` would be a letter.
_OPEN_REFERENCE = re.compile(r"&#?[0-9A-Za-z]*$")


def takes_slots(page: str) -> bool:
    """Whether slots stand on a page, before its styles are moved to the tags, only as text or in the addresses of links."""
    if any(map(_OPEN_REFERENCE.search, pieces_of(page)[::2])):
        return False
    places = _Places()
    places.feed(page)
    places.close()
    return places.are_good


def as_written(value: str) -> str | None:
    """Return a value as the inliner writes it in text and in addresses alike; None where it has two ways."""
    if _WRITTEN_TWO_WAYS.search(value):
        return None
    return value.replace("&", "&amp;").replace("\u00a0", "&nbsp;")


class _Places(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.are_good = True
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self._allow(tag not in _UNLIKE_TEXT and not has_slot(tag))
        for name, value in attrs:
            self._allow(not has_slot(name))
            if value is not None and has_slot(value):
                source = self.get_starttag_text() or ""
                quoted = f'"{value}"' in source or f"'{value}'" in source
                self._allow(quoted and (tag, name) == ("a", "href"))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        self._allow(not has_slot(tag))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._allow(not has_slot(data) and not _ASKS_FOR_ADDRESSES.search(data))

    def handle_comment(self, data: str) -> None:
        self._allow(not has_slot(data))

    def handle_decl(self, decl: str) -> None:
        self._allow(not has_slot(decl))

    def handle_pi(self, data: str) -> None:
        self._allow(not has_slot(data))

    def unknown_decl(self, data: str) -> None:
        self._allow(not has_slot(data))

    def _allow(self, good: bool) -> None:  # noqa: FBT001
        self.are_good = self.are_good and good
