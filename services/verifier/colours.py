"""An app's brand colour on our page, readable in light and in dark (WCAG 2.1, 1.4.3 and 1.4.11).

The colour goes into a second, tiny style block with a hash of its own: no 'unsafe-inline', and nothing of the app's but six hex
digits reaches the page.
"""

import re
from functools import lru_cache

_BRAND = re.compile(r"#[0-9a-fA-F]{6}")
_OURS = "#1f4fd8"
# The card that a button lies on; `page.css` has the same two.
_LIGHT_CARD, _DARK_CARD = (255, 255, 255), (27, 31, 39)
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_SEEN = 3.0  # a button against its card
_STEPS = 50

Colour = tuple[int, int, int]


@lru_cache(maxsize=1024)
def brand_style(brand: object) -> str:
    """Return the style block of a brand colour (`#rrggbb`); of ours for anything else."""
    text = brand if isinstance(brand, str) and _BRAND.fullmatch(brand) else _OURS
    colour = (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
    light, dark = seen_on(_LIGHT_CARD, colour), seen_on(_DARK_CARD, colour)
    return f":root{{{_variables(light)}}}@media (prefers-color-scheme:dark){{:root{{{_variables(dark)}}}}}"


def seen_on(card: Colour, colour: Colour) -> Colour:
    """Return the colour, moved as little as it takes towards black or white until it stands out from the card."""
    goal = _BLACK if _luminance(card) > 0.5 else _WHITE
    for step in range(_STEPS + 1):
        moved = _mixed(colour, goal, step / _STEPS)
        if contrast(moved, card) >= _SEEN:
            return moved
    raise AssertionError("unreachable: black and white stand out from any card")


def text_on(colour: Colour) -> Colour:
    """Return white or black, whichever reads better on the colour: one of them has a contrast of at least 4.5."""
    return max(_WHITE, _BLACK, key=lambda text: contrast(text, colour))


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio, 1 to 21 (WCAG 2.1)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(colour: Colour, goal: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, goal, strict=True))
    return red, green, blue


def _variables(colour: Colour) -> str:
    text = text_on(colour)
    # Under the pointer the button moves away from its text, so that contrast only grows.
    over = _mixed(colour, _BLACK if text == _WHITE else _WHITE, 0.14)
    return f"--act:{_hex(colour)};--act-over:{_hex(over)};--on-act:{_hex(text)}"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
