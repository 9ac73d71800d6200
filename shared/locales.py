"""Which of the languages that there are serves a locale: one rule, for whoever writes a message and whoever foretells it (CLDR, by Babel)."""

from collections.abc import Collection
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

DEFAULT_LOCALE = "en"


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
