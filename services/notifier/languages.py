"""Languages by CLDR (Babel): how they write durations and moments."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta

from shared.locales import DEFAULT_LOCALE, language, written_alike

_UNITS: tuple[tuple[Literal["day", "hour", "minute"], int], ...] = (
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
)
_ONLY_THIS_UNIT = 1e12


def formats_of(asked: str, locale: str) -> Locale:
    """Return how dates are written: as in the locale asked for (`en-GB`) where the set of `locale` (`en`) serves it."""
    chosen = language(asked) if written_alike(asked, locale) else None
    return chosen or language(locale) or Locale(DEFAULT_LOCALE)


def is_right_to_left(locale: str) -> bool:
    """Whether lines begin at the right."""
    found = language(locale)
    return found is not None and found.character_order == "right-to-left"


@lru_cache(maxsize=1024)
def duration_words(seconds: int, formats: Locale) -> str:
    """Return words such as "15 minutes", rounded down: a message never promises more time than there is."""
    for unit, size in _UNITS:
        count = seconds // size
        if count and (seconds % size == 0 or count >= 10):
            return _count(count, unit, size, formats)
    return (
        _count(seconds // 60, "minute", 60, formats)
        if seconds >= 60
        else _count(seconds, "second", 1, formats)
    )


def moment_words(moment: datetime, time_zone: str | None, formats: Locale) -> str:
    """Return words such as "21 November 2026, 08:08 UTC+01:00", in the user's zone, or in UTC where none is known."""
    # To the minute, as it is written: all who asked within one share the words, and Babel its 15 µs.
    return _minute_words(moment.replace(second=0, microsecond=0), time_zone, formats)


@lru_cache(maxsize=1024)
def _minute_words(minute: datetime, time_zone: str | None, formats: Locale) -> str:
    zone = _zone(time_zone)
    local = minute.astimezone(zone)
    date, time = format_date(local, "long", formats), format_time(local, "short", tzinfo=zone, locale=formats)
    together = str(formats.datetime_formats["long"]).format(time, date)
    # CLDR's narrow spaces (8:08 AM) show as boxes in old mail programs.
    return f"{together} {_offset(local, formats)}".replace("\u202f", "\u00a0")


def _count(count: int, unit: Literal["day", "hour", "minute", "second"], size: int, formats: Locale) -> str:
    words = format_timedelta(
        timedelta(seconds=count * size), granularity=unit, threshold=_ONLY_THIS_UNIT, locale=formats
    )
    # CLDR puts a space between number and unit everywhere; Japanese running text has none.
    return words.replace(" ", "") if formats.language == "ja" else words


def _offset(local: datetime, formats: Locale) -> str:
    hours = f"{local:%z}"
    offset = f"UTC{hours[:3]}:{hours[3:5]}" if local.utcoffset() else "UTC"
    # Among right-to-left words the sign would change its place.
    return f"\u2066{offset}\u2069" if formats.character_order == "right-to-left" else offset


def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
