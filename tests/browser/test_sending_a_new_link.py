"""An expired link is no dead end: its page sends a new one, which leads where the old one would have led."""

from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.steps import button, follow_link, make_link, new_address
from tests.clusters import House


async def test_the_page_of_an_expired_link_sends_a_new_one_to_the_same_place(
    visit: Visit, house: House
) -> None:
    email = new_address()
    old = await make_link(
        house, email=email, channel="email", redirect_url="/signed-in?next=cart", state="kept"
    )
    await house.until_caught(1, to=email)
    owner = await house.database()
    await owner.execute(
        "UPDATE magiclink.links SET expires_at = now() - interval '1 second' WHERE id = $1", old["id"]
    )
    await owner.close()
    async with visit() as visitor:
        page = await visitor.open(old["url"])
        await expect(page.get_by_role("heading")).to_have_text("This link has expired")
        await page.get_by_role("button", name="Send a new link").click()
        await expect(page.get_by_role("heading")).to_have_text("Check your messages")
        await page.goto(old["url"])
        await page.get_by_role("button", name="Send a new link").click()  # twice: one mail
        await house.until_caught(2, to=email)
        inbox = await visitor.open(house.cluster.inbox_url)
        await inbox.locator("a.row").filter(has_text=email).first.click()
        fresh = await follow_link(visitor, inbox)
        assert fresh.url != old["url"]
        async with fresh.expect_request("**/signed-in?next=cart&code=*") as led:
            await button(fresh).click()
        assert (await led.value).url.endswith("&state=kept")
        await expect(fresh.get_by_role("heading")).to_have_text(f"Sign in as {email}?")
    assert len(await house.inbox(to=email)) == 2
