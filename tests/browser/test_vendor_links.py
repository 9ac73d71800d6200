"""The links of FusionAuth's and WorkOS's products in a real browser: looking consumes nothing, one button leads on to the product."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.foreign_site import foreign_site
from tests.browser.readable import SIZES, Scheme, assert_readable
from tests.browser.steps import button
from tests.clusters import House
from tests.vendor_calls import FusionAuth, WorkOS, somebody

STATE = "CSRF 1&2=3"


async def mailed_link(house: House) -> str:
    """Let FusionAuth's product send a link that leads back to it; return the link as the mail has it."""
    vendor = FusionAuth.of(house)
    email = await vendor.new_user()
    proof = await vendor.begin_for(email, redirect_uri=f"{house.cluster.site_url}/callback", state=STATE)
    assert (await vendor.call("POST", "/api/passwordless/send", {"code": proof["code"]}))[0] == 200
    (mail,) = await house.until_caught(1, to=email)
    (url,) = {found for found in mail["links"] if "/oauth2/passwordless/" in found}
    assert "postMethod=true" in url
    return str(url)


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


async def test_fusionauths_link_is_looked_at_without_harm_and_its_button_signs_in(
    visit: Visit, house: House
) -> None:
    url, compat = await mailed_link(house), house.cluster.compat_urls[0]
    async with visit(compat) as visitor, visit(compat) as late:
        first, second = await visitor.open(url), await visitor.open(url)
        for page in (first, second):
            await page.reload()
            await expect(page.get_by_role("heading")).to_have_text("Sign in")
        other = await late.open(url)
        assert visitor.statuses("GET", url) == [200] * 4
        await button(first).click()
        # The 303 leads to another origin: only a form-action that names it lets the browser follow.
        await first.wait_for_url(f"{house.cluster.site_url}/callback?*")
        assert query_of(first.url) == {"state": [STATE]}
        assert visitor.statuses("POST", url) == [303]
        cookies = {cookie["name"]: cookie for cookie in await visitor.context.cookies(compat)}
        assert cookies["access_token"]["httpOnly"]
        # The same browser pressing in its other tab is led on as well; another browser is not.
        await button(second).click()
        await second.wait_for_url(f"{house.cluster.site_url}/callback?*")
        await button(other).click()
        await expect(other.get_by_role("heading")).to_have_text("This link does not work")
        assert late.statuses("POST", url) == [404]
        assert house.cluster.site_url not in late.origins()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_another_origins_form_neither_burns_fusionauths_link_nor_signs_anybody_in(
    visit: Visit, house: House, host: str
) -> None:
    url, compat = await mailed_link(house), house.cluster.compat_urls[0]
    async with foreign_site(url) as port, visit(compat, f"http://{host}:{port}") as visitor:
        await visitor.open(url)
        page = await visitor.open(f"http://{host}:{port}/post")
        await expect(page.get_by_role("heading")).to_have_text("This was not sent by you")
        assert [cookie["name"] for cookie in await visitor.context.cookies(compat)] == ["ml"]
        await page.goto(url)
        await button(page).click()
        await page.wait_for_url(f"{house.cluster.site_url}/callback?*")
        assert visitor.statuses("POST", url) == [403, 303]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_fusionauths_pages_fit_and_have_nothing_that_axe_finds(
    visit: Visit, house: House, scheme: Scheme, size: str, tmp_path: Path
) -> None:
    folder, compat = Path(os.environ.get("SCREENSHOTS", tmp_path)), house.cluster.compat_urls[0]
    link = await mailed_link(house)
    # Without a redirect of the state there is nowhere to lead on to.
    vendor = FusionAuth.of(house)
    unled = f"{compat}/oauth2/passwordless/{(await vendor.begin())['code']}?postMethod=true"
    gone = f"{compat}/oauth2/passwordless/{uuid4().hex * 2}?postMethod=true"
    pages = {
        "fusionauth-confirm": (link, "Sign in", False),
        "fusionauth-done": (unled, "You are signed in", True),
        "fusionauth-over": (gone, "This link does not work", True),
    }
    # axe is a script that the page's policy rightly refuses: the browser lets it in for the test.
    async with visit(compat, color_scheme=scheme, viewport=SIZES[size], bypass_csp=True) as visitor:
        for name, (url, heading, pressed) in pages.items():
            page = await visitor.open(url)
            if pressed:
                await button(page).click()
            await expect(page.get_by_role("heading")).to_have_text(heading)
            await page.screenshot(path=folder / f"{name}-{scheme}-{size}.png")
            await assert_readable(page, name, scheme)


async def test_workoss_link_is_looked_at_without_harm_and_its_button_brings_code_and_state(
    visit: Visit, house: House
) -> None:
    vendor = WorkOS.of(house)
    email = somebody()
    link = (await vendor.new_session(email, STATE))["link"]
    async with visit() as visitor:
        page, second = await visitor.open(link), await visitor.open(link)
        for shown in (page, second):
            await shown.reload()
            await expect(shown.get_by_role("heading")).to_have_text("Sign in to Workos demo")
        assert visitor.statuses("GET", link) == [200] * 4
        await button(page).click()
        await page.wait_for_url(f"{vendor.given['redirect_uri']}?*")
        assert visitor.statuses("POST", link) == [303]
        brought = query_of(page.url)
    assert sorted(brought) == ["code", "state"]
    assert brought["state"] == [STATE]
    exchange = {
        "grant_type": "authorization_code",
        "code": brought["code"][0],
        "client_id": vendor.given["client_id"],
        "client_secret": vendor.given["api_key"],
    }
    assert (await vendor.done("/sso/token", exchange))["profile"]["email"] == email
    assert (await vendor.call("POST", "/sso/token", exchange))[0] == 400
