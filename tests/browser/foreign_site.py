"""A site of somebody else, with pages that do to our links what scanners, previews and attackers do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from services.dev.ports import HOST

PAGES = {
    "prefetch": '<link rel="prefetch" href="{url}"><link rel="prerender" href="{url}"><p>Guessing where you go next.</p>',
    "post": '<form method="post" action="{url}"></form><script>document.forms[0].submit()</script>',
    "lead": '<a href="{url}">Win a prize</a>',
    "frame": '<iframe title="frame" src="{url}"></iframe>',
}


@asynccontextmanager
async def foreign_site(link_url: str) -> AsyncIterator[int]:
    """Serve the pages about one link; yield the port."""

    async def show(request: web.Request) -> web.Response:
        page = PAGES[request.match_info["name"]].format(url=link_url)
        text = f'<!doctype html><title>Foreign</title><link rel="icon" href="data:,">{page}'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{name}", show)
    async with TestServer(app, host=HOST) as server:
        assert server.port is not None
        yield server.port
