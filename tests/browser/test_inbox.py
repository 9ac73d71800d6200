"""The dev inbox in a real browser: it follows what happens, cages what it shows, and everybody can use it.

Screenshots are left in pytest's temporary folder, for people who want to look.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, ViewportSize, expect

from services.dev.inbox import InboxOptions, start
from tests.browser.visitor import visiting
from tests.integration.inbox.inbox_client import ACCOUNT, InboxClient

LINK = "http://127.0.0.1:9/l/k1ZqYcH3b4Nf0t7xVwQpLmRsTuA9dEgKjXyB2C"
HTML = (
    '<meta name="color-scheme" content="light dark"><style>body { color: rgb(1, 2, 3) }'
    " @media (prefers-color-scheme: dark) { body { color: rgb(4, 5, 6) } }</style>"
    f'<p>Hello</p><a href="{LINK}">Sign in</a>'
)
SIZES = {"phone": ViewportSize(width=320, height=640), "desktop": ViewportSize(width=1280, height=800)}


@pytest.fixture
async def client() -> AsyncIterator[InboxClient]:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0, twilio=ACCOUNT, status_pace_seconds=600))
    async with aiohttp.ClientSession(inbox.url) as http:
        yield InboxClient(inbox, http)
    await inbox.close()


async def fill(client: InboxClient) -> dict[str, str]:
    """Put a message of each kind into the inbox; return the paths of all pages."""
    await client.send_mail(f"Sign in:\n{LINK}\n\nPasscode: 482 913\n", HTML)
    (mail,) = await client.get_json("/api/messages")
    for body in (f"Demo: passcode 482913\n{LINK}", f"Вход: {LINK}"):
        await client.send_twilio(To="+14155550100", From="+12025550199", Body=body)
    (sms, *_) = await client.get_json("/api/messages")
    await client.send_twilio(
        To="whatsapp:+14155550100",
        From="whatsapp:+12025550198",
        ContentSid="HX" + "b" * 32,
        ContentVariables=json.dumps({"1": "Demo", "2": LINK, "4": "482913"}),
    )
    async with client.http.put(
        "/api/failures", json={"rules": [{"kind": "drop", "to": "*@x.example"}]}
    ) as put:
        assert put.status == 200
    own = {
        view: f"/messages/{mail['id']}?view={view}"
        for view in ("html", "text", "headers", "source", "markup")
    }
    return own | {
        "list": "/",
        "nothing-found": "/?q=nothing",
        "dark-phone-preview": f"/messages/{mail['id']}?scheme=dark&width=phone",
        "sms": "/conversations/sms/%2B14155550100",
        "sms-details": f"/messages/{sms['id']}",
        "whatsapp": "/conversations/whatsapp/%2B14155550100",
        "failures": "/failures",
        "unknown": "/messages/x",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_axe_finds_nothing_and_every_page_fits(
    chromium: Browser, client: InboxClient, scheme: str, size: str, tmp_path: Path
) -> None:
    paths = await fill(client)
    url = client.inbox.url
    async with visiting(chromium, [url], color_scheme=scheme, viewport=SIZES[size]) as visitor:
        page = await visitor.context.new_page()
        for name, path in paths.items():
            await page.goto(url + path)
            await expect(page.locator(".live")).to_have_text("Live")
            await page.screenshot(path=tmp_path / f"{name}-{scheme}-{size}.png", full_page=True)
            found = (await Axe().run(page)).response["violations"]
            assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], name
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.evaluate(wider) <= 0, name


async def test_the_list_follows_the_inbox_and_leaves_the_focus_where_it_is(
    chromium: Browser, client: InboxClient
) -> None:
    await client.send_mail("one", subject="First")
    async with visiting(chromium, [client.inbox.url]) as visitor:
        page = await visitor.open(client.inbox.url)
        await expect(page).to_have_title("(1) Inbox")
        first = page.locator("a.row", has_text="First")
        await first.focus()
        await client.send_mail("two", subject="Second")
        await expect(page.locator("a.row .subject")).to_contain_text(["Second", "First"])
        await expect(page).to_have_title("(2) Inbox")
        await expect(first).to_be_focused()
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading")).to_have_text("Second")
        await page.go_back()
        await expect(page).to_have_title("(1) Inbox")
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Delete all").click()
        await expect(page.get_by_text("No message yet.")).to_be_visible()


async def test_a_status_by_hand_shows_by_itself_and_leaves_details_open(
    chromium: Browser, client: InboxClient
) -> None:
    paths = await fill(client)
    async with visiting(chromium, [client.inbox.url]) as visitor:
        page = await visitor.open(client.inbox.url + paths["sms"])
        other = await visitor.open(client.inbox.url + paths["sms"])
        await page.bring_to_front()
        message = page.locator(".conversation > li").first
        await message.get_by_text("Report another status").click()
        message_id = await message.get_attribute("data-id")
        async with client.http.post(f"/api/messages/{message_id}/status", json={"status": "sent"}) as answer:
            assert answer.status == 202
        await expect(message.locator(".reports .sent")).not_to_have_count(0)
        await message.get_by_label("Error code").fill("30007")
        await message.get_by_role("button", name="Undelivered").click()
        await expect(message.locator(".reports")).to_contain_text("30007: Message filtered")
        await expect(other.locator(".conversation > li").first).to_contain_text("30007")


async def test_links_and_passcodes_are_copied_with_a_click(chromium: Browser, client: InboxClient) -> None:
    paths = await fill(client)
    permissions = ["clipboard-read", "clipboard-write"]
    async with visiting(chromium, [client.inbox.url], permissions=permissions) as visitor:
        page = await visitor.open(client.inbox.url + paths["html"])
        for name, copied in (("Copy the passcode", "482913"), ("Copy the link", LINK)):
            await page.get_by_role("button", name=name).click()
            await expect(page.locator(".done")).not_to_have_count(0)
            assert await page.evaluate("navigator.clipboard.readText()") == copied


async def test_the_preview_shows_both_schemes_whatever_the_browser_prefers(
    chromium: Browser, client: InboxClient
) -> None:
    paths = await fill(client)
    for preferred in ("light", "dark"):
        async with visiting(chromium, [client.inbox.url], color_scheme=preferred) as visitor:
            page = await visitor.open(client.inbox.url + paths["html"])
            text = page.frame_locator("iframe").get_by_text("Hello")
            await expect(text).to_have_css("color", "rgb(1, 2, 3)")
            await page.get_by_role("link", name="Dark").click()
            await page.get_by_role("link", name="Phone").click()
            await expect(text).to_have_css("color", "rgb(4, 5, 6)")
            await expect(page.locator("iframe")).to_have_css("width", "375px")


@asynccontextmanager
async def somewhere_else() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that a mail would like to load from: its origin, and the paths that were asked for."""
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="loaded")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def test_a_mail_runs_nothing_and_loads_nothing(chromium: Browser, client: InboxClient) -> None:
    async with somewhere_else() as (origin, asked):
        await client.send_mail(
            "text",
            f"<script>top.location = '{origin}/script'</script><img src={origin}/img onerror='fetch(\"{origin}/e\")'>"
            f"<link rel=stylesheet href={origin}/css><style>@import '{origin}/import'; p {{background: url({origin}/bg)}}</style>"
            f"<iframe src={origin}/frame></iframe><meta http-equiv=refresh content='0;url={origin}/refresh'>"
            f"<form action={origin}/form><button>Send</button></form><p>shown</p>",
        )
        (mail,) = await client.get_json("/api/messages")
        context = await chromium.new_context()
        page = await context.new_page()
        for path in (f"/messages/{mail['id']}", f"/messages/{mail['id']}/html"):
            await page.goto(client.inbox.url + path)
            shown = page.frame_locator("iframe") if path.endswith(mail["id"]) else page
            await expect(shown.get_by_text("shown")).to_be_visible()
            await shown.get_by_role("button", name="Send").click()
            await page.wait_for_timeout(300)
        await context.close()
    assert asked == []


async def test_everything_can_be_read_and_done_without_scripts(
    chromium: Browser, client: InboxClient
) -> None:
    paths = await fill(client)
    async with visiting(chromium, [client.inbox.url], java_script_enabled=False) as visitor:
        page = await visitor.open(client.inbox.url)
        await client.send_mail("later", subject="Comes by itself")
        await expect(page.locator("a.row", has_text="Comes by itself")).to_be_visible(timeout=15_000)
        await page.goto(client.inbox.url + paths["html"])
        await page.get_by_role("link", name="Source", exact=True).click()
        await expect(page.locator("pre")).to_contain_text("Message-ID: <0190@demo.example>")
        assert await page.get_by_role("button", name="Copy").count() == 0
        await page.get_by_role("searchbox").fill("sign demo")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading")).to_contain_text("sign demo")
        await page.goto(f"{client.inbox.url}/failures")
        await page.get_by_label("What shall go wrong").select_option("http-429")
        await page.get_by_label("For whom").fill("+1415*")
        await page.get_by_role("button", name="Add").click()
        await expect(page.locator(".rule")).to_contain_text(["drop", "status 429"])
