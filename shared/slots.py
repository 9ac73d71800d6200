"""Texts with slots: written once by a template engine, with marks where values go that differ from one use to the next."""

import re
import secrets
from collections.abc import Sequence

# Random, and new in each process: what stands in a text besides (an app's name, its support address) must not pass for a slot.
# It begins with a letter: what follows a `<` is a tag then, and is seen to be one.
_MARK = f"m{secrets.token_hex(16)}"
_SLOT = re.compile(f"{_MARK}-([a-z0-9_]+)-{_MARK}")


def slot(name: str) -> str:
    """Return what stands in a text for a value, until it is filled. Escaping leaves it as it is. `name`: small letters, digits and `_`."""
    return f"{_MARK}-{name}-{_MARK}"


def has_slot(text: str) -> bool:
    """Whether a slot stands in a text, whole or in pieces."""
    return _MARK in text


def pieces_of(text: str) -> list[str]:
    """Return what stands between the slots, and in each second place the name of a slot. The first and the last are text."""
    return _SLOT.split(text)


class Slotted:
    """A text with slots of these names."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self._pieces = pieces_of(text)
        self._places = [names.index(name) for name in self._pieces[1::2]]

    def filled(self, values: Sequence[str]) -> str:
        """Return the text with these values as they are, in the order of the names."""
        pieces = self._pieces.copy()
        pieces[1::2] = [values[place] for place in self._places]
        return "".join(pieces)
