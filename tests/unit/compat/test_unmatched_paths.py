"""What no route takes is answered in the words of the vendor whose path it could be."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.compat.routes import unmatched_view
from shared.http.edge import Edge
from shared.http.routes import Call, Public, Route

Client = TestClient[Any, Any]
PASSAGE = {"code": "not_found", "error": "There is nothing at this address."}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async def handler(_: Call) -> web.Response:
        return web.Response()

    class Open:
        async def take(self, who: str, tokens: int = 1) -> None:
            pass

    door = cast(Any, Open())
    edge = Edge(api_keys=None, address_limit=door, key_limit=door, request_timeout_seconds=5)
    route = Route("GET", "/v1/apps/{app_id}", handler, Public("a test"))
    async with TestClient(TestServer(edge.application([route], unmatched_view))) as client:
        yield client


async def answer(client: Client, method: str, path: str) -> tuple[int, Any]:
    async with client.request(method, path) as response:
        assert response.headers["X-Request-Id"]
        raw = await response.read()
        return response.status, (await response.json() if raw else None)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/apps/a/otp"), ("PUT", "/v1/apps/a")])
async def test_a_path_or_method_that_passage_has_and_we_have_not(
    client: Client, method: str, path: str
) -> None:
    assert await answer(client, method, path) == (404, PASSAGE)


async def test_a_path_of_stytch_has_its_envelope(client: Client) -> None:
    for path in ("/v1/passwords/authenticate", "/v1/nothing"):
        status, body = await answer(client, "POST", path)
        assert (status, body["status_code"], body["error_type"]) == (404, 404, "not_found")
        assert body["request_id"].startswith("request-id-")


@pytest.mark.parametrize(
    "path", ["/passwordless/x", "/sso/authorize", "/user_management/organizations", "/connections/a/b"]
)
async def test_a_path_of_workos_has_message_and_code(client: Client, path: str) -> None:
    status, body = await answer(client, "GET", path)
    assert (status, body["code"]) == (404, "entity_not_found")


@pytest.mark.parametrize("path", ["/api/group", "/oauth2/authorize", "/.well-known/x", "/", "/nothing"])
async def test_a_path_of_fusionauth_and_any_other_is_the_status_alone(client: Client, path: str) -> None:
    assert await answer(client, "GET", path) == (404, None)
