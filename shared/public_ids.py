"""How an app names its users towards its product: the form of `user_id_format`, such as `user_{ulid}`.

An id is written in one spelling and read back from that spelling only: two texts that name one user would slip past whoever
compares or locks by text.
"""

import re
from collections.abc import Callable
from typing import Final
from uuid import UUID

DEFAULT_FORMAT: Final = "{uuid}"
USER_ID_FORMAT: Final = re.compile(r"([A-Za-z0-9_-]{0,40})\{(uuid|ulid|base62)\}")
"""A prefix and what stands for the id."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ULID_CHARS = 26
_BASE62_CHARS = 22
_ID_BITS = 128


def format_id(user_id_format: str, value: UUID) -> str:
    """Return the id as the app's product sees it. The format was checked when the app was set up."""
    prefix, kind = _parts(user_id_format)
    return prefix + _WRITERS[kind](value)


def parse_id(user_id_format: str, text: str) -> UUID | None:
    """Return the id that `format_id` writes so, or None: the exact inverse."""
    prefix, kind = _parts(user_id_format)
    return _READERS[kind](text.removeprefix(prefix)) if text.startswith(prefix) else None


def ulid(value: UUID) -> str:
    """Return the 128 bits as 26 characters of Crockford's base32 (the ULID specification, Encoding)."""
    return _digits(value.int, _CROCKFORD, _ULID_CHARS)


def parse_ulid(text: str) -> UUID | None:
    """Return the id of 26 upper-case characters, or None. The specification's other spellings of a digit are not read."""
    return _number(text, _CROCKFORD, _ULID_CHARS)


def base62(value: UUID) -> str:
    """Return the 128 bits as 22 letters and digits, padded with zeros."""
    return _digits(value.int, _BASE62, _BASE62_CHARS)


def parse_base62(text: str) -> UUID | None:
    """Return the id of 22 letters and digits, or None."""
    return _number(text, _BASE62, _BASE62_CHARS)


def _parse_uuid(text: str) -> UUID | None:
    try:
        value = UUID(text)
    except ValueError:
        return None
    # `UUID` also reads capitals, braces, and texts without dashes.
    return value if str(value) == text else None


_WRITERS: Final[dict[str, Callable[[UUID], str]]] = {"uuid": str, "ulid": ulid, "base62": base62}
_READERS: Final[dict[str, Callable[[str], UUID | None]]] = {
    "uuid": _parse_uuid,
    "ulid": parse_ulid,
    "base62": parse_base62,
}


def _parts(user_id_format: str) -> tuple[str, str]:
    found = USER_ID_FORMAT.fullmatch(user_id_format)
    if found is None:
        raise ValueError("not the format of an id")
    return found[1], found[2]


def _digits(number: int, alphabet: str, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))


def _number(text: str, alphabet: str, length: int) -> UUID | None:
    if len(text) != length or not set(text) <= set(alphabet):
        return None
    number = 0
    for character in text:
        number = number * len(alphabet) + alphabet.index(character)
    # More digits than 128 bits: no id is written so.
    return UUID(int=number) if number.bit_length() <= _ID_BITS else None
