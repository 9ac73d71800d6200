"""What a person does, step by step, on the example site, in the inbox and on a link's page."""

from typing import Any
from uuid import uuid4

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.visitor import TIMEOUT_MS, Visitor
from tests.clusters import REDIRECT, House


def new_address() -> str:
    return f"ada-{uuid4().hex[:12]}@example.com"


async def make_link(house: House, **fields: Any) -> dict[str, Any]:
    """Make a link that leads to the example site, as the product's server would."""
    body = {"email": new_address(), "redirect_url": REDIRECT, **fields}
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links", body)
    assert status == 201, answer
    link: dict[str, Any] = answer["link"]
    return link


async def status_of(house: House, link: dict[str, Any]) -> str:
    _, answer, _ = await house.call("GET", f"{house.issuer_url}/v1/links/{link['id']}")
    return str(answer["link"]["status"])


async def ask_for_link(page: Page, email: str) -> None:
    """Type an address on the site's first page."""
    await page.get_by_label("Your e-mail").fill(email)
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("heading")).to_have_text("Look into your inbox")


async def forget_pairing(visitor: Visitor) -> None:
    """Make the browser one that the verifier has never seen: what a link's page is in any browser but the asker's."""
    await visitor.context.clear_cookies(name="mlp")


async def open_mail(page: Page, email: str) -> Page:
    """Follow the site's button to the inbox, and open the newest message to the address there."""
    inbox = await opened_by(page.context, page.get_by_role("link", name="Open the inbox"))
    # The list asks again by itself every few seconds.
    row = inbox.locator("a.row").filter(has_text=email)
    await expect(row).to_be_visible(timeout=TIMEOUT_MS)
    await row.click()
    return inbox


async def opened_by(context: BrowserContext, link: Locator) -> Page:
    """Click what opens a new tab, and return the tab."""
    async with context.expect_page() as opening:
        await link.click()
    page = await opening.value
    await page.wait_for_load_state()
    return page


def button(page: Page) -> Locator:
    """The one button of a link's page."""
    return page.get_by_role("button")


async def expect_signed_in(page: Page, email: str) -> None:
    await expect(page.get_by_role("heading")).to_have_text(f"Signed in as {email}")


async def follow_link(visitor: Visitor, inbox: Page) -> Page:
    """Open the link of the message on the screen, in a new tab."""
    return await opened_by(visitor.context, inbox.locator("section.links a.button").first)
