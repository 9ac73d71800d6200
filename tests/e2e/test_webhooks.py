"""Webhooks end to end: a product's server hears of its links, also when it was down, and can tell what is genuine."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from services.dev.ports import choose_unfixed
from shared.webhooks import WebhookInvalid, verify
from tests.clusters import House

Got = list[tuple[dict[str, str], bytes]]


@asynccontextmanager
async def receiver(port: int, got: Got) -> AsyncIterator[None]:
    async def take(request: web.Request) -> web.Response:
        sent = {name.lower(): value for name, value in request.headers.items()}
        got.append((sent, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def until(got: Got, count: int) -> None:
    async with asyncio.timeout(40):
        while len(got) < count:
            await asyncio.sleep(0.05)


async def make_webhook(house: House, port: int, *events: str) -> dict[str, Any]:
    body = {"url": f"http://127.0.0.1:{port}/hooks", "events": list(events)}
    status, made, _ = await house.call("POST", f"{house.issuer_url}/v1/webhooks", body)
    assert status == 201, made
    webhook: dict[str, Any] = made
    return webhook


async def test_a_product_that_was_down_hears_of_its_links_and_of_nobody_elses(house: House) -> None:
    got: Got = []
    port = choose_unfixed(["hooks"])["hooks"]
    key = await house.new_key(house.app_id, ["apps:write", "apps:read"])
    admin = House(house.cluster, house.app_id, key, house.session)
    webhook = await make_webhook(admin, port, "link.consumed")
    link, foreign = await house.ask(email="ann@example.com"), await house.new_app()
    assert (await foreign.verify((await foreign.ask(email="bob@example.com"))["token"]))[0] == 200
    assert (await house.verify(link["token"]))[0] == 200
    await asyncio.sleep(1)  # nobody listens yet: the first try fails
    async with receiver(port, got):
        await until(got, 1)
        status, sent, _ = await admin.call("POST", f"{house.issuer_url}/v1/webhooks/{webhook['id']}/test", {})
        assert status == 202
        await until(got, 2)
    told = [orjson.loads(body) for _, body in got]
    assert [event["type"] for event in told] == ["magiclink.link.consumed.v1", "magiclink.webhook.tested.v1"]
    assert told[0]["data"]["link_id"] == link["id"]
    assert told[1]["id"] == sent["event_id"]
    for headers, body in got:
        verify(webhook["secret"], headers, body, time.time())
        with pytest.raises(WebhookInvalid):
            verify(webhook["secret"], headers, body.replace(link["id"].encode(), b"x") + b" ", time.time())
