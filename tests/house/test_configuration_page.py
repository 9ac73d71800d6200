"""The page of settings is what the settings classes say."""

from services.operator.settings_reference import MODELS
from tests.house.configuration_page import PAGE, page


def test_the_page_of_settings_is_what_the_classes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it anew: python -m tests.house.configuration_page"
    )


def test_the_page_has_a_section_for_each_service_and_command() -> None:
    text = page()
    assert all(f"\n## `magiclink {name}`\n" in text for name in MODELS)
