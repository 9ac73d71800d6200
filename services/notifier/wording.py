"""Words of messages: pure text in, pure text out. What comes from outside is made harmless here."""

import math
import re
import unicodedata
from collections.abc import Mapping

# Bidirectional overrides make "moc.live" read as a name and hide where a link leads.
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DOT = r"[.\u3002\uff0e\uff61]"  # the dots that IDNA and mail clients take for one
_DOT_IN_HOST = re.compile(rf"(?<=[\w\-\])])({_DOT})(?=[^\W\d_])")
_DOT_IN_IPV4 = re.compile(r"(?<=\d)\.(?=\d+\.\d+\.\d)")
_SCHEME = re.compile(r":(?=//)")
# Quotation marks, dashes, ellipsis, bullet and special spaces, as what a GSM-7 phone writes for them.
_GSM = str.maketrans(
    dict.fromkeys("\u2018\u2019", "'")
    | dict.fromkeys("\u201c\u201d\u201e", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2022", "-")
    | dict.fromkeys("\u00a0\u2009\u202f", " ")
    | {"\u201a": ",", "\u2026": "..."}
)


def one_line(text: str, max_chars: int = 1_000) -> str:
    """Return the text as one line: control characters and line ends become one space, bidi controls go."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            " " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text if c not in _BIDI
        )
    line = " ".join(text.split())
    return line if len(line) <= max_chars else line[: max_chars - 1].rstrip() + "…"


def subject_line(text: str) -> str:
    """Return the subject of a mail, made of what its template gives."""
    return one_line(text, max_chars=200)


def without_links(text: str) -> str:
    """Return one line in which no mail client or phone finds a link.

    The attack: somebody enters "Win at evil.example" as a name and a stranger's address, and our good sender name
    delivers the advertisement, or the phishing page. Clients turn bare host names into links by themselves, in HTML
    too, so escaping does not help; a space after the dot does, and "Dr.Smith" stays readable.
    """
    line = _SCHEME.sub(": ", one_line(text))
    return _DOT_IN_IPV4.sub(". ", _DOT_IN_HOST.sub(r"\1 ", line))


def harmless(value: object) -> object:
    """Return JSON data in which every string went through `without_links`."""
    if isinstance(value, str):
        return without_links(value)
    if isinstance(value, Mapping):
        return {str(key): harmless(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(item) for item in value]
    return value


def plain_punctuation(text: str) -> str:
    """Return an SMS text without typographic punctuation.

    One curly quote moves the whole message from GSM-7 (160 characters a segment) to UCS-2 (70) and doubles its price.
    """
    return text.translate(_GSM)


def passcode_groups(passcode: str) -> list[str]:
    """Return the passcode in even groups of three or four, as one reads it aloud; a long one stays whole."""
    if len(passcode) > 16:
        return [passcode]
    count = math.ceil(len(passcode) / 4)
    small, larger = divmod(len(passcode), count) if count else (0, 0)
    groups, start = [], 0
    for index in range(count):
        end = start + small + (index < larger)
        groups.append(passcode[start:end])
        start = end
    return groups


def button_colours(brand_colour: str | None) -> tuple[str, str]:
    """Return background and text colour of a button: the text is black or white, whichever reads better."""
    if brand_colour is None or not re.fullmatch(r"#[0-9a-fA-F]{6}", brand_colour):
        brand_colour = "#1f4fd8"
    red, green, blue = (int(brand_colour[i : i + 2], 16) for i in (1, 3, 5))
    # ITU-R BT.601 luma; the limit is where white text stops being the better choice.
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 160
    return brand_colour.lower(), "#111111" if bright else "#ffffff"
