"""G5 and the origin rule in a real browser: looking, fetching ahead and other sites' pages consume nothing."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.foreign_site import foreign_site
from tests.browser.steps import button, make_link, status_of
from tests.browser.visitor import Visitor
from tests.clusters import House


async def expect_the_link_works(visitor: Visitor, house: House, link: dict[str, str]) -> None:
    assert await status_of(house, link) == "issued"
    page = await visitor.open(link["url"])
    await button(page).click()
    # The link was asked for by no browser, so the site asks whether to sign in.
    await expect(page.get_by_role("button", name="Yes, sign me in")).to_be_visible()
    assert await status_of(house, link) == "consumed"


async def test_opening_twice_and_reloading_changes_nothing(visit: Visit, house: House) -> None:
    link = await make_link(house)
    async with visit() as visitor:
        first, second = await visitor.open(link["url"]), await visitor.open(link["url"])
        for page in (first, second):
            await page.reload()
            await expect(page.get_by_role("heading")).to_have_text("Sign in to Demo")
        assert visitor.statuses("GET", link["url"]) == [200] * 4
        await expect_the_link_works(visitor, house, link)


async def test_fetching_ahead_changes_nothing(visit: Visit, house: House) -> None:
    link = await make_link(house)
    async with foreign_site(link["url"]) as port, visit(f"http://127.0.0.1:{port}") as visitor:
        await visitor.open(f"http://127.0.0.1:{port}/prefetch")
        fetched = await visitor.until_asked("GET", link["url"])
        assert fetched.status == 200
        assert "prefetch" in (await fetched.request.all_headers())["sec-purpose"]
        await expect_the_link_works(visitor, house, link)


# One is another site, the other the same site with another origin (a port is part of the origin, not of the site).
@pytest.mark.parametrize(("host", "said"), [("localhost", "cross-site"), ("127.0.0.1", "same-site")])
async def test_a_form_of_another_origin_is_refused_and_burns_nothing(
    visit: Visit, house: House, host: str, said: str
) -> None:
    link = await make_link(house)
    async with foreign_site(link["url"]) as port, visit(f"http://{host}:{port}") as visitor:
        # The victim has looked at the link before: its cookie is there.
        await visitor.open(link["url"])
        page = await visitor.open(f"http://{host}:{port}/post")
        await expect(page.get_by_role("heading")).to_have_text("This came from another site")
        posted = await visitor.until_asked("POST", link["url"])
        assert (await posted.request.all_headers())["sec-fetch-site"] == said
        assert visitor.statuses("POST", link["url"]) == [403]
        await expect_the_link_works(visitor, house, link)


async def test_another_site_cannot_lay_the_page_under_a_visitors_click(visit: Visit, house: House) -> None:
    link = await make_link(house)
    async with foreign_site(link["url"]) as port, visit(f"http://localhost:{port}") as visitor:
        page = await visitor.open(f"http://localhost:{port}/frame")
        await visitor.until_complained("frame-ancestors 'none'")
        await expect(page.frame_locator("iframe").get_by_role("button")).to_have_count(0)
        visitor.complaints.clear()
        await expect_the_link_works(visitor, house, link)
