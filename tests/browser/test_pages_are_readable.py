"""Every page that a link can show, in light and dark, on a phone and on a desktop: fits, has contrast, says what it is.

Screenshots are left in pytest's temporary folder, for people who want to look.
"""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page, ViewportSize

from tests.browser.conftest import Visit
from tests.browser.steps import make_link
from tests.clusters import House

Scheme = Literal["light", "dark"]

HEADINGS = {
    "confirm": "Sign in to Demo",
    "again": "Sign in to Demo",
    "consumed": "This link was used already",
    "expired": "This link has expired",
    "revoked": "This link was withdrawn",
    "not-yet-valid": "This link is not valid yet",
    "invalid": "This link is not valid",
}
SIZES = {"phone": ViewportSize(width=320, height=640), "desktop": ViewportSize(width=1280, height=800)}

# WCAG 2.1: contrast of at least 4.5 for text (1.4.3), targets of at least 44 px (2.5.5), no sideways scrolling at 320 px (1.4.10).
MEASURE = """() => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
    .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' && element.parentElement ? ground(element.parentElement) : colour;
  };
  const contrast = (element) => {
    const [low, high] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const targets = [...document.querySelectorAll('button, a')];
  return {
    contrast: Math.min(...[...document.querySelectorAll('h1, p, strong, time, button, a')].map(contrast)),
    target: Math.min(...targets.map((element) => element.getBoundingClientRect().height), 1000),
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    dark: light(getComputedStyle(document.body).backgroundColor) < 0.2,
  };
}"""


@pytest.fixture(scope="session")
async def links(house: House) -> dict[str, str]:
    """A URL for each page but the one that needs the consuming browser."""
    made = {name: await make_link(house) for name in HEADINGS if name not in ("again", "invalid")}
    urls = {name: str(link["url"]) for name, link in made.items()}
    assert (await house.verify(made["consumed"]["token"]))[0] == 200
    await house.call("POST", f"{house.issuer_url}/v1/links/{made['revoked']['id']}/revoke")
    owner = await house.database()
    for name, change in (
        ("expired", "expires_at = now() - interval '1 second'"),
        ("not-yet-valid", "not_before = now() + interval '5 minutes'"),
    ):
        await owner.execute(f"UPDATE magiclink.links SET {change} WHERE id = $1", made[name]["id"])
    await owner.close()
    return {**urls, "invalid": f"{house.verifier_url}/l/{'1' * 39}"}


async def assert_readable(page: Page, name: str, scheme: Scheme) -> None:
    assert await page.get_by_role("heading").inner_text() == HEADINGS[name]
    found: dict[str, Any] = await page.evaluate(MEASURE)
    assert found["dark"] == (scheme == "dark")
    assert found["contrast"] >= 4.5
    assert found["target"] >= 44
    assert found["wider"] <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_every_page_fits_and_has_contrast(
    visit: Visit, house: House, links: dict[str, str], scheme: Scheme, size: str, tmp_path: Path
) -> None:
    again = (await make_link(house))["url"]
    async with visit(color_scheme=scheme, viewport=SIZES[size]) as visitor:
        page = await visitor.open(again)
        await page.get_by_role("button").click()
        await page.get_by_role("button", name="Yes, sign me in").wait_for()
        for name, url in {**links, "again": again}.items():
            await page.goto(url)
            await page.screenshot(path=tmp_path / f"{name}-{scheme}-{size}.png")
            await assert_readable(page, name, scheme)
