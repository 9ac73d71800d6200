"""One browser asks for a link: in that one it signs in without a click, in any other with one, or by the code of the mail."""

import re
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.foreign_site import foreign_site
from tests.browser.steps import (
    ask_for_link,
    button,
    expect_signed_in,
    follow_link,
    make_link,
    new_address,
    open_mail,
    status_of,
)
from tests.browser.visitor import Visitor
from tests.clusters import House


async def ask_and_open_mail(visitor: Visitor, house: House, email: str) -> Page:
    site = await visitor.open(house.cluster.site_url)
    await ask_for_link(site, email)
    return await open_mail(site, email)


async def passcode_of(house: House, email: str) -> str:
    (message,) = await house.until_caught(1, to=email)
    found = re.search(r"^\D*(\d{3}) ?(\d{3})\D*$", message["text"], re.MULTILINE)
    assert found is not None, message["text"]
    return found[1] + found[2]


async def test_in_the_browser_that_asked_no_click_is_needed(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit() as visitor:
        inbox = await ask_and_open_mail(visitor, house, email)
        page = await follow_link(visitor, inbox)
        await expect_signed_in(page, email)
        posted = [r for r in visitor.requests if r.method == "POST" and "/l/" in r.url]
        assert len(posted) == 1


async def test_without_script_the_browser_that_asked_has_the_button(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit(java_script_enabled=False) as visitor:
        inbox = await ask_and_open_mail(visitor, house, email)
        page = await follow_link(visitor, inbox)
        await button(page).click()
        await expect_signed_in(page, email)


async def test_coming_back_to_the_link_does_not_press_again(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit() as visitor:
        inbox = await ask_and_open_mail(visitor, house, email)
        page = await follow_link(visitor, inbox)
        await expect_signed_in(page, email)
        (link_url,) = [r.url for r in visitor.requests if r.method == "POST" and "/l/" in r.url]
        await page.goto(link_url)
        await expect(page.get_by_role("button", name="Continue")).to_be_visible()
        assert visitor.statuses("POST", link_url) == [303]


async def test_another_browser_needs_a_click(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit() as asker, visit() as reader:
        await ask_and_open_mail(asker, house, email)
        inbox = await reader.open(house.cluster.inbox_url)
        await inbox.locator("a.row").filter(has_text=email).click()
        page = await follow_link(reader, inbox)
        await expect(page.get_by_role("heading")).to_have_text("Sign in to Demo")
        await button(page).click()
        await expect(page.get_by_role("heading")).to_have_text(f"Sign in as {email}?")
        await page.get_by_role("button", name="Yes, sign me in").click()
        await expect_signed_in(page, email)


async def test_the_code_of_the_mail_signs_in_where_it_was_asked_for(visit: Visit, house: House) -> None:
    email = new_address()
    async with visit() as visitor:
        site = await visitor.open(house.cluster.site_url)
        await ask_for_link(site, email)
        await site.get_by_label("Or type the code from the mail").fill(await passcode_of(house, email))
        await site.get_by_role("button", name="Sign in with the code").click()
        await expect_signed_in(site, email)


async def test_a_link_bound_to_its_browser_is_refused_in_another_and_its_code_works(
    visit: Visit, house: House
) -> None:
    email = new_address()
    link = await make_link(house, email=email, channel="email", binding="require", passcode=True)
    async with visit() as visitor:
        page = await visitor.open(link["url"])
        await expect(page.get_by_role("heading")).to_have_text("Open this link where you asked for it")
        await expect(page.get_by_role("button")).to_have_count(0)
        await expect(page.get_by_text("enter the code from the message")).to_be_visible()
    assert await status_of(house, link) == "issued"
    body = {"link_id": link["id"], "passcode": await passcode_of(house, email)}
    status, answer, _ = await house.call("POST", f"{house.verifier_url}/v1/passcodes/verify", body)
    assert (status, answer["user"]["email"]) == (200, email)


async def ticket_for(house: House, link: dict[str, Any]) -> str:
    url = f"{house.verifier_url}/v1/links/{link['id']}/pairing"
    status, answer, _ = await house.call("POST", url, {"return_url": "/"})
    assert status == 201, answer
    return str(answer["pairing_url"])


async def test_a_foreign_site_cannot_pair_a_victims_browser_with_the_attackers_link(
    visit: Visit, house: House
) -> None:
    """Login CSRF: the attacker got the ticket from the product in a browser of their own."""
    link = await make_link(house)
    ticket = await ticket_for(house, link)
    for host in ("localhost", "127.0.0.1"):
        async with foreign_site(ticket) as port, visit(f"http://{host}:{port}") as victim:
            page = await victim.open(f"http://{host}:{port}/lead")
            await page.get_by_role("link", name="Win a prize").click()
            await expect(page.get_by_role("heading")).to_have_text(
                "Sign in"
            )  # led back to the site all the same
            await page.goto(link["url"])
            await expect(page.get_by_role("heading")).to_have_text("Sign in to Demo")
            await expect(page.get_by_role("status")).to_have_count(0)
            assert victim.statuses("POST", link["url"]) == []
    assert await status_of(house, link) == "issued"
