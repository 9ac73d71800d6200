"""Compat's own key: a wrong one is told before the service is started, in words that help."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.programs import Program

GOOD = "mlk_000000000000_" + "g" * 43
OF_SOME_APP = "mlk_000000000000_" + "s" * 43
UNKNOWN = "mlk_000000000000_" + "u" * 43


async def self_of_key(request: web.Request) -> web.Response:
    scopes = {GOOD: ["users:read", "apps:act"], OF_SOME_APP: ["users:read"]}
    found = scopes.get(request.headers["Authorization"].removeprefix("Bearer "))
    if found is None:
        body = {"type": "about:blank", "title": "no", "status": 401, "code": "unauthorized"}
        return web.json_response(body, status=401, content_type="application/problem+json")
    return web.json_response({"scopes": found})


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    app = web.Application()
    app.router.add_get("/v1/keys/self", self_of_key)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        yield Program(
            MAGICLINK_ENVIRONMENT="dev",
            MAGICLINK_REDIS_URL="redis://127.0.0.1:1/0",
            MAGICLINK_ISSUER_URL=url,
            MAGICLINK_VERIFIER_URL=url,
            MAGICLINK_COMPAT_URL="http://127.0.0.1:1",
        )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (GOOD, "ok"),
        (OF_SOME_APP, "lacks the scope apps:act: make one with `magiclink vendors compat-key`"),
        (UNKNOWN, "is refused: make one with `magiclink vendors compat-key`"),
    ],
)
async def test_a_check_says_what_is_wrong_with_compats_key(program: Program, key: str, said: str) -> None:
    program.environment["MAGICLINK_COMPAT_API_KEY"] = key
    ended = await program("check", "compat", "--json")
    words = json.loads(ended.out)
    assert words["key"].endswith(said)
    assert (words["issuer"], words["verifier"]) == ("ok", "ok")
    assert key not in ended.out + ended.err
