"""Languages by CLDR (Babel): which set of templates serves a locale, and how it writes durations and moments."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date, format_time, format_timedelta

DEFAULT_LOCALE = "en"
_UNITS: tuple[tuple[Literal["day", "hour", "minute"], int], ...] = (
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
)
_ONLY_THIS_UNIT = 1e12


@lru_cache(maxsize=1_000)
def language(locale: str) -> Locale | None:
    """Return what CLDR knows of `pt-BR` (or `pt_BR`), None for what is no locale."""
    try:
        return Locale.parse(locale.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        return None


def nearest(locale: str, available: Collection[str]) -> str | None:
    """Return which of the available locales (in lower case) serves a locale best.

    `pt-PT` looks for `pt-pt`, then `pt`, then the first that is written alike, such as `pt-br`, then `en`; `zh-TW`
    never gets `zh-hans`, which is another script.
    """
    for candidate in locale_candidates(locale)[:-1]:
        if candidate.lower() in available:
            return candidate.lower()
    alike = [other for other in sorted(available) if written_alike(locale, other)]
    return alike[0] if alike else DEFAULT_LOCALE if DEFAULT_LOCALE in available else None


def locale_candidates(locale: str) -> list[str]:
    """Return `pt-BR` (or `pt_BR`) as `["pt-BR", "pt", "en"]`."""
    subtags = locale.replace("_", "-").split("-")
    return ["-".join(subtags[:count]) for count in range(len(subtags), 0, -1)] + [DEFAULT_LOCALE]


def written_alike(first: str, second: str) -> bool:
    """Whether two locales share language and script."""
    one, other = _written(first), _written(second)
    return one is not None and one == other


def formats_of(asked: str, locale: str) -> Locale:
    """Return how dates are written: as in the locale asked for (`en-GB`) where the set of `locale` (`en`) serves it."""
    chosen = language(asked) if written_alike(asked, locale) else None
    return chosen or language(locale) or Locale(DEFAULT_LOCALE)


def is_right_to_left(locale: str) -> bool:
    """Whether lines begin at the right."""
    found = language(locale)
    return found is not None and found.character_order == "right-to-left"


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
    zone = _zone(time_zone)
    local = moment.astimezone(zone)
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


@lru_cache(maxsize=1_000)
def _written(locale: str) -> tuple[str, str | None] | None:
    found = language(locale)
    if found is None:
        return None
    likely = get_global("likely_subtags")
    for known in (f"{found.language}_{found.territory}", found.language):
        if found.script is None and known in likely:
            return found.language, likely[known].split("_")[1]
    return found.language, found.script
