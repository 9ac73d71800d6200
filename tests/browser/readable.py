"""What every page must be: it fits, has contrast, can be pressed, and axe-core finds nothing."""

from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, ViewportSize

Scheme = Literal["light", "dark"]

SIZES = {"phone": ViewportSize(width=320, height=640), "desktop": ViewportSize(width=1280, height=800)}

# WCAG 2.1: targets of at least 44 px (2.5.5), no sideways scrolling at 320 px (1.4.10). Contrast is axe's.
MEASURE = """() => {
  const targets = [...document.querySelectorAll('button, a')];
  const ground = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number);
  return {
    target: Math.min(...targets.map((element) => element.getBoundingClientRect().height), 1000),
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    dark: Math.max(...ground) < 100,
    direction: getComputedStyle(document.querySelector('h1')).direction,
  };
}"""
AXE = Axe()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def assert_readable(page: Page, name: str, scheme: Scheme, direction: str = "ltr") -> None:
    """Measure the page that is shown, and let axe look at it."""
    assert await page.get_by_role("heading").count() == 1
    found: dict[str, Any] = await page.evaluate(MEASURE)
    assert found["dark"] == (scheme == "dark")
    assert found["target"] >= 44
    assert found["wider"] <= 0
    assert found["direction"] == direction
    checked = await AXE.run(page, options=RULES)
    assert checked.violations_count == 0, f"{name}: {checked.generate_report()}"
