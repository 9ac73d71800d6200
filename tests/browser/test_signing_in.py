"""A person signs in with a real browser: types an address, opens the mail, follows the link, presses its button."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, Route, expect

from examples.product_service import SESSION
from tests.browser.conftest import Visit
from tests.browser.steps import (
    ask_for_link,
    button,
    expect_signed_in,
    forget_pairing,
    new_address,
    open_mail,
    opened_by,
)
from tests.browser.visitor import Visitor
from tests.clusters import House


async def reach_link(visitor: Visitor, house: House, email: str, *, in_html: bool = False) -> Page:
    """Go from the site's first page to the page of the link, in a browser that is not paired: one with a button to press."""
    site = await visitor.open(house.cluster.site_url)
    await ask_for_link(site, email)
    await forget_pairing(visitor)
    mail = await open_mail(site, email)
    if in_html:
        frame = mail.frame_locator('iframe[title="The message as HTML"]')
        return await opened_by(visitor.context, frame.get_by_role("link", name="Sign in"))
    return await opened_by(visitor.context, mail.locator("section.links a.button"))


@pytest.mark.parametrize("script", [True, False], ids=["with-javascript", "without-javascript"])
@pytest.mark.parametrize("in_html", [False, True], ids=["from-the-inbox", "from-the-mail's-button"])
async def test_a_person_signs_in_by_mail(visit: Visit, house: House, script: bool, in_html: bool) -> None:
    email = new_address()
    async with visit(java_script_enabled=script) as visitor:
        page = await reach_link(visitor, house, email, in_html=in_html)
        assert page.url.startswith(f"{house.verifier_url}/l/")
        await expect(page.get_by_role("heading")).to_have_text("Sign in to Demo")
        link_url = page.url
        await button(page).click()
        # The 303 leads to another origin: only a form-action that names it lets the browser follow.
        await expect_signed_in(page, email)
        assert page.url == f"{house.cluster.site_url}/"
        assert visitor.statuses("POST", link_url) == [303]


async def test_a_double_click_signs_in_as_a_single_one_does(visit: Visit, house: House) -> None:
    for pause_ms in (0, 2, 4, 6):
        email = new_address()
        async with visit() as visitor:
            page = await reach_link(visitor, house, email)
            await button(page).dblclick(delay=pause_ms, no_wait_after=True)
            await expect_signed_in(page, email)


async def test_an_answer_that_never_arrived_costs_nobody_a_sign_in(visit: Visit, house: House) -> None:
    """What the second of two clicks does to the first: the site has exchanged the code, the browser never hears of it."""
    email = new_address()
    async with visit() as visitor:
        page = await reach_link(visitor, house, email)
        link_url = page.url
        async with losing_answers(visitor, link_url) as lost:
            await button(page).click()
            await asyncio.wait_for(lost.wait(), 30)
        await page.goto(link_url)
        await page.get_by_role("button", name="Continue").click()
        await expect_signed_in(page, email)
        assert visitor.statuses("POST", link_url) == [303]


@asynccontextmanager
async def losing_answers(visitor: Visitor, link_url: str) -> AsyncIterator[asyncio.Event]:
    """Let the press of the button reach the verifier, and then the site, and no answer the page; tell when that is done."""
    lost = asyncio.Event()

    async def lose(route: Route) -> None:
        # What is caught here lacks the headers that the browser adds on the way out.
        headers = {**await route.request.all_headers(), "Sec-Fetch-Site": "same-origin"}
        consumed = await route.fetch(headers=headers, max_redirects=0)
        exchanged = await visitor.context.request.get(consumed.headers["location"], max_redirects=0)
        assert (consumed.status, exchanged.status) == (303, 303)
        await visitor.context.clear_cookies(name=SESSION)
        await route.abort()
        lost.set()

    await visitor.context.route(link_url, lose)
    yield lost
    await visitor.context.unroute(link_url, lose)


async def test_going_back_and_pressing_again_leads_to_the_same_place(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit() as visitor:
        page = await reach_link(visitor, house, email)
        link_url = page.url
        await button(page).click()
        await expect_signed_in(page, email)
        for _ in range(2):
            await page.go_back()
            await expect(page.get_by_text("You used this link in this browser a moment ago.")).to_be_visible()
            await page.get_by_role("button", name="Continue").click()
            await expect_signed_in(page, email)
        assert visitor.statuses("POST", link_url) == [303] * 3


async def test_after_signing_out_going_back_signs_nobody_in(visit: Visit, house: House) -> None:
    """The next person at this computer presses Back."""
    email = new_address()
    async with visit() as visitor:
        page = await reach_link(visitor, house, email)
        link_url = page.url
        await button(page).click()
        await expect_signed_in(page, email)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading")).to_have_text("Sign in")
        await page.goto(link_url)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("heading")).to_have_text("This link has been used, or took too long")


async def test_another_browser_is_told_that_the_link_was_used(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit() as first, visit() as second:
        page = await reach_link(first, house, email)
        link_url = page.url
        late = await second.open(link_url)
        await button(page).click()
        await expect_signed_in(page, email)
        # One had the page open already, the other opens it now.
        await button(late).click()
        await expect(late.get_by_role("heading")).to_have_text("This link was used already")
        await late.goto(link_url)
        await expect(late.get_by_role("heading")).to_have_text("This link was used already")
        await expect(late.get_by_role("button")).to_have_count(0)
        assert second.statuses("POST", link_url) == [409]
        assert house.cluster.site_url not in second.origins()


async def test_the_link_of_another_browser_signs_in_only_after_its_reader_agreed(
    visit: Visit, house: House
) -> None:
    """The mail is opened on another device: an honest case, and what an attacker would send to a victim."""
    email = new_address()
    async with visit() as asker, visit() as reader:
        link_url = (await reach_link(asker, house, email)).url
        page = await reader.open(link_url)
        await button(page).click()
        await expect(page.get_by_role("heading")).to_have_text(f"Sign in as {email}?")
        await page.get_by_role("button", name="Yes, sign me in").click()
        await expect_signed_in(page, email)
        site = await asker.open(house.cluster.site_url)
        await expect(site.get_by_role("heading")).to_have_text("Sign in")
