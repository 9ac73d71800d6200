"""Finding the passcode of a message, to show it big. A guess for people's eyes: nothing depends on it."""

import re

_URL = re.compile(r"https?://\S+", re.IGNORECASE)
# Groups of up to four, as it is read aloud, or one run; at least one digit, or all capitals.
_RUN = r"(?:[A-Za-z0-9]{2,4}(?: [A-Za-z0-9]{2,4}){1,3}|[A-Za-z0-9]{4,16})"
_BARE_RUN = r"(?:[A-Z0-9]{2,4}(?: [A-Z0-9]{2,4}){1,3}|[A-Za-z0-9]{4,16})"
_NAMED = re.compile(
    r"(?:pass ?code|code|kode|código|codice|コード|رمز)\b[^\n\d]{0,60}?[:\uff1a] ?("
    + _RUN
    + r")(?![\w:]|\.\w)",
    re.IGNORECASE,
)
_BESIDE = re.compile(r"(?:pass ?code|code|código|コード|رمز)\W{0,3}(\d{4,10})(?!\w)", re.IGNORECASE)
_ALONE = re.compile(rf"^\s*({_BARE_RUN})\s*$", re.MULTILINE)
_DIGITS = re.compile(r"(?<![\w.:+/-])(\d{3,4} \d{3,4}|\d{5,8})(?![\w:/-]|\.\d)")


def find_passcode(text: str) -> str | None:
    """Return the passcode without its spaces, or `None` when nothing looks like exactly one."""
    readable = _URL.sub(" ", text)
    for pattern in (_NAMED, _BESIDE, _ALONE, _DIGITS):
        found = {_joined(match.group(1)) for match in pattern.finditer(readable)}
        found = {code for code in found if _is_code(code)}
        if len(found) == 1:
            return found.pop()
    return None


def _joined(code: str) -> str:
    return code.replace(" ", "")


def _is_code(code: str) -> bool:
    return 4 <= len(code) <= 16 and (any(c.isdigit() for c in code) or code.isupper())
