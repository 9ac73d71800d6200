"""The words of pages: gettext catalogs of `locales/`, plurals and dates by Babel.

A message has a name (`link_expired.heading`); `en.po` holds the English source. All catalogs are read at the start.
"""

import gettext
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_datetime_format
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

LOCALES = ("en", "de", "fr", "es", "pt-BR", "ja", "ar")
FOLDER = Path(__file__).parent / "locales"

# A header that browsers write by themselves: more than this is nobody's list of languages.
_MOST_LANGUAGES = 20
_HEADER_CHARS = 256  # what is kept at most of one, beside what it came to
_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")
_BY_TAG: Mapping[str, str] = {tag.lower(): tag for tag in LOCALES}
_BY_LANGUAGE: Mapping[str, str] = {tag.partition("-")[0]: tag for tag in LOCALES}


@dataclass(frozen=True, slots=True)
class Words:
    """The wording of one locale. `tag` and `direction` are the page's `lang` and `dir`."""

    tag: str
    direction: str
    locale: Locale
    catalog: gettext.NullTranslations

    def text(self, name: str, **values: str) -> str:
        """Return a message as plain text."""
        return self.catalog.gettext(name).format(**values)

    def markup(self, name: str, **values: str) -> Markup:
        """Return a message as HTML. Values are escaped; each stands apart from the direction of the text around it."""
        isolated = {key: Markup("<bdi>{}</bdi>").format(value) for key, value in values.items()}
        return escape(self.catalog.gettext(name)).format(**isolated)

    def counted(self, name: str, count: int) -> str:
        """Return a message in the plural form that the count asks for."""
        return self.catalog.ngettext(name, name, count).format(count=count)

    def moment(self, moment: datetime, time_zone: str | None) -> str:
        """Return date, time and offset in the reader's own zone; UTC when it is not known."""
        return _moment(self.tag, int(moment.timestamp()) // 60, time_zone)


class Wordings:
    """All locales, read when it is made."""

    def __init__(self) -> None:
        self._words = {tag: _words(tag) for tag in LOCALES}

    def choose(self, wanted: str | None, accept_language: str | None) -> Words:
        """Return the wording for a link's locale; if there is none, for the browser's languages; else English."""
        tag = None if wanted is None else _served(wanted)
        if tag is None and accept_language:
            spoken = _spoken if len(accept_language) <= _HEADER_CHARS else _spoken.__wrapped__
            tag = spoken(accept_language)
        return self._words[tag or "en"]

    def of(self, tag: str) -> Words:
        """Return the wording of a locale that there is."""
        return self._words[tag]


def read_catalog(tag: str) -> Catalog:
    """Read one catalog."""
    with (FOLDER / f"{tag}.po").open("rb") as file:
        return read_po(file, locale=tag.replace("-", "_"), abort_invalid=True)


@lru_cache(maxsize=4096)
def _moment(tag: str, minutes: int, time_zone: str | None) -> str:
    """Write a minute since 1970, which takes Babel 15 µs: the links of one minute end in one minute."""
    locale, zone = Locale.parse(tag, sep="-"), UTC if time_zone is None else ZoneInfo(time_zone)
    local = datetime.fromtimestamp(minutes * 60, zone)
    date = format_date(local, "long", locale=locale)
    time = format_time(local, "short", locale=locale, tzinfo=zone)
    pattern = str(get_datetime_format("medium", locale=locale))
    return f"{pattern.replace('{1}', date).replace('{0}', time)} ({_offset(local, locale)})"


def _offset(local: datetime, locale: Locale) -> str:
    """Write a moment's offset. Babel's `get_timezone_gmt` (2.18) says GMT-04:30 of Newfoundland's half past three."""
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    if minutes == 0:
        return "UTC"
    sign = "-" if minutes < 0 else "+"
    return str(locale.zone_formats["gmt"] % f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}")


@lru_cache(maxsize=1024)
def _served(tag: str) -> str | None:
    """Return which locale serves a link's, None when none does."""
    return _BY_TAG.get(tag.lower()) or _BY_LANGUAGE.get(tag.lower().partition("-")[0])


@lru_cache(maxsize=1024)
def _spoken(accept_language: str) -> str | None:
    """Return which locale serves a browser, None when none does."""
    found = (_served.__wrapped__(tag) for tag in _accepted(accept_language))
    return next((tag for tag in found if tag is not None), None)


def _words(tag: str) -> Words:
    catalog = read_catalog(tag)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    locale = Locale.parse(tag, sep="-")
    return Words(tag, locale.text_direction, locale, gettext.GNUTranslations(compiled))


def _accepted(header: str) -> list[str]:
    """Return the languages of `Accept-Language`, most wanted first (RFC 9110 section 12.5.4)."""
    ranked: list[tuple[float, int, str]] = []
    for part in header.split(",")[:_MOST_LANGUAGES]:
        found = _LANGUAGE.fullmatch(part)
        if found is not None and (quality := float(found[2] or 1)) > 0:
            ranked.append((-quality, len(ranked), found[1]))
    return [tag for _, _, tag in sorted(ranked)]
