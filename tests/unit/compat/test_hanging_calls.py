"""What a native API that hangs does to a vendor's caller: an answer in the vendor's words, and nothing burnt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.compat import native
from services.compat.attempts import Attempts
from services.compat.fusionauth import errors as fusionauth
from services.compat.native import Native, Urls
from services.compat.passage import errors as passage
from services.compat.stytch import errors as stytch
from services.compat.workos import errors as workos
from shared.errors import Unavailable
from shared.http.edge import Edge
from shared.http.routes import Call, Public, RefusalView, Route, json_response

APP = UUID(int=1)
VIEWS = [fusionauth.refusal_view, passage.refusal_view, stytch.refusal_view, workos.refusal_view]


@asynccontextmanager
async def served(route: Route, seconds: float) -> AsyncIterator[TestClient[Any, Any]]:
    class Open:
        async def take(self, who: str, tokens: int = 1) -> None:
            pass

    door = cast(Any, Open())
    edge = Edge(api_keys=None, address_limit=door, key_limit=door, request_timeout_seconds=seconds)
    async with TestClient(TestServer(edge.application([route]))) as client:
        yield client


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__module__.split(".")[-2])
async def test_past_the_edges_limit_the_vendor_s_words_go_out_and_the_attempt_is_kept(
    view: RefusalView,
) -> None:
    attempts, keys = Attempts(), []

    async def ask(key: str) -> str:
        keys.append(key)
        if len(keys) == 1:
            await asyncio.Event().wait()
        return "won"

    async def handler(_: Call) -> web.Response:
        return json_response(await attempts.redeem(APP, "secret", ask))

    async with served(Route("POST", "/x", handler, Public("a test"), refusal_view=view), 0.05) as client:
        async with client.post("/x") as response:
            assert (response.status, response.content_type) == (503, "application/json")
            assert response.headers["Retry-After"]
        async with client.post("/x") as response:
            assert await response.json() == "won"
    assert keys[0] == keys[1]


async def test_a_native_call_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hang)
    monkeypatch.setattr(native, "CALL_SECONDS", 0.1)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("")).rstrip("/")
        caller = Native(session, Urls(url, url), "mlk_own").acting_for(APP)
        with pytest.raises(Unavailable):
            await caller.verifier("POST", "/v1/links/verify", {})
