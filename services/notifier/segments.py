"""How long an SMS is, as networks count it (GSM 03.38 and concatenation, 3GPP TS 23.040): each segment has its price."""

from dataclasses import dataclass
from typing import Literal

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True, slots=True)
class SmsSize:
    """`units` are septets in GSM-7 and UTF-16 code units in UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def measure_sms(text: str) -> SmsSize:
    """Return the size of an SMS. No character of two units is split between two segments."""
    if set(text) <= _GSM_BASIC | _GSM_ESCAPED:
        widths = [2 if letter in _GSM_ESCAPED else 1 for letter in text]
        return SmsSize("GSM-7", sum(widths), _segments(widths, 160, 153))
    widths = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
    return SmsSize("UCS-2", sum(widths), _segments(widths, 70, 67))


def outside_gsm(text: str) -> list[str]:
    """Return the characters that make this SMS UCS-2, each once, as they come."""
    return list(dict.fromkeys(letter for letter in text if letter not in _GSM_BASIC | _GSM_ESCAPED))


def _segments(widths: list[int], alone: int, joined: int) -> int:
    if sum(widths) <= alone:
        return 1
    segments, room = 1, joined
    for width in widths:
        if width > room:
            segments, room = segments + 1, joined
        room -= width
    return segments
