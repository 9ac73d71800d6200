"""Which language serves a locale."""

import pytest

from shared.locales import locale_candidates, nearest

BUILT_IN = {"en", "de", "fr", "es", "pt-br", "ja", "ar"}


def test_locales_fall_back_step_by_step() -> None:
    assert locale_candidates("pt-BR") == ["pt-BR", "pt", "en"]
    assert locale_candidates("zh_Hant_TW") == ["zh-Hant-TW", "zh-Hant", "zh", "en"]
    assert locale_candidates("en") == ["en", "en"]


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("pt-BR", "pt-br"),
        ("pt_BR", "pt-br"),
        ("pt-PT", "pt-br"),
        ("pt", "pt-br"),
        ("ar-EG", "ar"),
        ("zh-TW", "en"),
        ("xx", "en"),
        ("../../etc", "en"),
    ],
)
def test_the_nearest_language_serves(asked: str, served: str) -> None:
    assert nearest(asked, BUILT_IN) == served


def test_another_script_never_serves() -> None:
    assert nearest("zh-TW", {"zh-hans", "en"}) == "en"
    assert nearest("zh-HK", {"zh-hans", "zh-hant", "en"}) == "zh-hant"
    assert nearest("sr-Latn", {"sr-cyrl"}) is None
