"""docs/configuration.md, written from the settings classes. `python -m tests.house.configuration_page` writes it anew."""

from pathlib import Path

from services.operator.settings_reference import markdown
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "configuration.md"
_INTRODUCTION = Path(__file__).with_name("configuration_introduction.md")


def page() -> str:
    """Return the page: the introduction, then a table a service or command."""
    return f"{_INTRODUCTION.read_text(encoding='utf-8').rstrip()}\n\n{markdown().rstrip()}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
