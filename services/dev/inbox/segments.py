"""How many SMS a text takes (GSM 03.38 and concatenation, 3GPP TS 23.040)."""

import math
from typing import Literal

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = frozenset("^{}\\[~]|€\f")

Encoding = Literal["GSM-7", "UCS-2"]


def encoding_of(text: str) -> Encoding:
    """Return the alphabet that the text needs: one letter outside GSM-7 costs more than half of every segment."""
    return "GSM-7" if set(text) <= _GSM_BASIC | _GSM_ESCAPED else "UCS-2"


def count_segments(text: str) -> int:
    """Segments of `text`: 160 or 153 GSM-7 units each, or 70 or 67 UTF-16 units when a letter is outside GSM-7."""
    if encoding_of(text) == "GSM-7":
        units = len(text) + sum(letter in _GSM_ESCAPED for letter in text)
        single, joined = 160, 153
    else:
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        single, joined = 70, 67
    return 1 if units <= single else math.ceil(units / joined)
