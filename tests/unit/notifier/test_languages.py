from datetime import UTC, datetime

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.languages import (
    duration_words,
    formats_of,
    is_right_to_left,
    moment_words,
)

MORNING = datetime(2026, 7, 21, 7, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (45, "45 seconds"),
        (60, "1 minute"),
        (119, "1 minute"),
        (900, "15 minutes"),
        (3_600, "1 hour"),
        (5_400, "90 minutes"),
        (86_400, "1 day"),
        (100_000, "27 hours"),
        (604_800, "7 days"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: int, words: str) -> None:
    assert duration_words(seconds, Locale("en")) == words


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("de", ["1 Minute", "15 Minuten", "7 Tage"]),
        ("fr", ["1 minute", "15 minutes", "7\u00a0jours"]),
        ("es", ["1 minuto", "15 minutos", "7 días"]),
        ("pt-BR", ["1 minuto", "15 minutos", "7 dias"]),
        ("ja", ["1分", "15分", "7日"]),
        ("ar", ["دقيقة", "15 دقيقة", "7 أيام"]),
    ],
)
def test_a_duration_has_the_plural_of_its_language(locale: str, words: list[str]) -> None:
    formats = formats_of(locale, locale)
    assert [duration_words(seconds, formats) for seconds in (60, 900, 604_800)] == words


@given(st.integers(min_value=1, max_value=10_000_000))
def test_a_duration_never_promises_more_than_there_is(seconds: int) -> None:
    count, unit = duration_words(seconds, Locale("en")).split()
    size = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[unit.removesuffix("s")]
    assert int(count) * size <= seconds


@pytest.mark.parametrize(
    ("asked", "zone", "words"),
    [
        ("en", None, "July 21, 2026, 7:08\u00a0AM UTC"),
        ("en-GB", "Europe/London", "21 July 2026, 08:08 UTC+01:00"),
        ("de", "Europe/Berlin", "21. Juli 2026, 09:08 UTC+02:00"),
        ("ja", "Asia/Tokyo", "2026年7月21日 16:08 UTC+09:00"),
        ("es", "America/Bogota", "21 de julio de 2026, 2:08 UTC-05:00"),
        ("fr", "Nowhere/Else", "21 juillet 2026, 07:08 UTC"),
        ("fr", "../../etc/passwd", "21 juillet 2026, 07:08 UTC"),
    ],
)
def test_a_moment_stands_in_the_users_zone_and_ways(asked: str, zone: str | None, words: str) -> None:
    assert moment_words(MORNING, zone, formats_of(asked, asked)) == words


def test_dates_follow_the_locale_asked_for_only_where_it_is_the_same_language() -> None:
    assert formats_of("en-GB", "en") == Locale("en", "GB")
    assert formats_of("sv", "en") == Locale("en")
    assert formats_of("nonsense!", "en") == Locale("en")


def test_right_to_left_is_known() -> None:
    assert [is_right_to_left(locale) for locale in ("ar", "ar-EG", "he", "en", "ja", "??")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
