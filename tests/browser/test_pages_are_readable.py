"""Every page that a link can show, in light and dark, on a phone and on a desktop, from left to right and from right to left.

It fits, has contrast, says what it is, and axe-core finds nothing. Screenshots are left in pytest's temporary folder, or in the
folder that SCREENSHOTS names, for people who want to look.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.conftest import Visit
from tests.browser.readable import MEASURE, SIZES, Scheme, assert_readable
from tests.browser.steps import button, make_link, new_address
from tests.clusters import House

HEADINGS = {
    "confirm": "Sign in to Demo",
    "verify": "Confirm for Demo",
    "invite": "Join Demo",
    "again": "Sign in to Demo",
    "consumed": "This link was used already",
    "expired": "This link has expired",
    "expired-unsent": "This link has expired",
    "renewed": "Check your messages",
    "revoked": "This link was withdrawn",
    "superseded": "There is a newer link",
    "not-yet-valid": "This link is not valid yet",
    "pairing-required": "Open this link where you asked for it",
    "invalid": "This link is not valid",
    "done": "Done",
}
LATE = "expires_at = now() - interval '1 second'"
LINKS: dict[str, dict[str, Any]] = {
    "verify": {"type": "verify_identifier"},
    "invite": {"type": "invite"},
    "consumed": {"change": "consumed_at = now(), consumed_by = gen_random_uuid(), consumed_via = 'api'"},
    "expired": {"channel": "email", "change": LATE},
    "renewed": {"channel": "email", "change": LATE},
    "expired-unsent": {"change": LATE},
    "revoked": {"change": "revoked_at = now()"},
    "not-yet-valid": {"change": "not_before = now() + interval '5 minutes'"},
    "pairing-required": {"binding": "require", "passcode": True},
    "done": {"change": "redirect_url = NULL"},
}
# The page's button is pressed; then there is this one.
PRESSED = {"again": "Yes, sign me in", "renewed": "", "done": ""}

ASKER = {
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}


@dataclass
class Screen:
    """A visitor's screen, and the links to show on it, in one language."""

    house: House
    page: Page
    locale: str

    async def link(self, change: str = "", **fields: Any) -> str:
        """Make a link, change its row as told, and return its URL."""
        asked = {"locale": self.locale, "time_zone": "Europe/Berlin", "client": ASKER, **fields}
        link = await make_link(self.house, **asked)
        if change:
            owner = await self.house.database()
            await owner.execute(f"UPDATE magiclink.links SET {change} WHERE id = $1::uuid", link["id"])
            await owner.close()
        return str(link["url"])

    async def show(self, name: str) -> None:
        """Bring a page onto the screen."""
        if name == "invalid":
            await self.page.goto(f"{self.house.verifier_url}/l/{'1' * 39}")
            return
        url = await self.link(**LINKS.get(name, {}))
        if name == "superseded":
            email = new_address()
            url = await self.link(email=email, slot="one")
            await self.link(email=email, slot="one")
        await self.page.goto(url)
        if name in PRESSED:
            await button(self.page).click()
            shown = self.page.get_by_role("button", name=PRESSED[name])
            await expect(shown).to_have_count(1 if PRESSED[name] else 0)
        if name == "again":
            await self.page.goto(url)


async def assert_good(page: Page, name: str, scheme: Scheme, locale: str) -> None:
    if locale == "en":
        assert await page.get_by_role("heading").inner_text() == HEADINGS[name]
    await assert_readable(page, name, scheme, "rtl" if locale == "ar" else "ltr")


@pytest.mark.parametrize("locale", ["en", "ar"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_every_page_fits_and_has_nothing_that_axe_finds(
    visit: Visit, house: House, locale: str, scheme: Scheme, size: str, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    # axe is a script that the page's policy rightly refuses: the browser lets it in for the test.
    async with visit(color_scheme=scheme, viewport=SIZES[size], locale=locale, bypass_csp=True) as visitor:
        screen = Screen(house, await visitor.context.new_page(), locale)
        for name in HEADINGS:
            await screen.show(name)
            await screen.page.screenshot(path=folder / f"{name}-{locale}-{scheme}-{size}.png")
            await assert_good(screen.page, name, scheme, locale)


async def test_the_keyboard_alone_is_enough_and_one_sees_where_one_is(visit: Visit, house: House) -> None:
    async with visit() as visitor:
        screen = Screen(house, await visitor.context.new_page(), "en")
        await screen.show("confirm")
        await screen.page.keyboard.press("Tab")
        await expect(button(screen.page)).to_be_focused()
        outline = await button(screen.page).evaluate("(element) => getComputedStyle(element).outlineWidth")
        assert float(outline.removesuffix("px")) >= 2
        await screen.page.keyboard.press("Enter")
        await expect(screen.page.get_by_role("button", name="Yes, sign me in")).to_be_visible()


async def test_twice_as_large_it_still_fits(visit: Visit, house: House) -> None:
    # 200 % zoom of a small desktop window is a page half as wide (WCAG 2.1, 1.4.4 and 1.4.10).
    half = ViewportSize(width=640, height=400)
    async with visit(viewport=half, device_scale_factor=2) as visitor:
        screen = Screen(house, await visitor.context.new_page(), "de")
        for name in ("confirm", "expired", "pairing-required"):
            await screen.show(name)
            assert (await screen.page.evaluate(MEASURE))["wider"] <= 0
