"""Answers over a real socket: what goes out must be what aiohttp itself would send."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.http.answers import Answer

BODY = b'{"a": 1}'


def made(kind: type[web.Response], path: str) -> web.Response:
    if path == "large":
        return kind(body=b"x" * 100_000, content_type="application/json")
    if path == "empty":
        return kind(status=204)
    response = kind(body=BODY, status=404, content_type="application/json", headers={"X-Own": "1"})
    if path == "cookie":
        response.set_cookie("a", "b")
    if path == "close":
        response.force_close()
    if path == "planted":
        response.headers["X-Own"] = "1\r\nSet-Cookie: a=b"
    return response


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[TestServer]:
    async def handle(request: web.Request) -> web.Response:
        kind = Answer if request.match_info["kind"] == "ours" else web.Response
        return made(kind, request.match_info["path"])

    app = web.Application()
    app.router.add_route("*", "/{kind}/{path}", handle)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def said(server: TestServer, request: str) -> bytes:
    """Return all that comes until the connection is closed."""
    assert server.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request.encode())
    got = b""
    try:
        async with asyncio.timeout(0.5):
            while part := await reader.read(65536):
                got += part
    except TimeoutError:
        got += b"<kept alive>"
    writer.close()
    return got


def plain(answer: bytes) -> tuple[bytes, frozenset[bytes], bytes]:
    """Return status line, headers in no order and without the time, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return status, frozenset(line for line in headers if not line.startswith(b"Date:")), body


@pytest.mark.parametrize("path", ["plain", "cookie", "close", "empty", "large"])
@pytest.mark.parametrize(
    "line",
    ["GET {} HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD {} HTTP/1.1\r\nHost: a\r\n\r\n", "GET {} HTTP/1.0\r\n\r\n",
     "GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
)  # fmt: skip
async def test_what_goes_out_is_what_aiohttp_would_send(server: TestServer, line: str, path: str) -> None:
    ours = await said(server, line.format(f"/ours/{path}"))
    theirs = await said(server, line.format(f"/theirs/{path}"))
    assert b"Date: " in ours
    assert plain(ours) == plain(theirs)


async def test_one_connection_carries_one_answer_after_another(server: TestServer) -> None:
    request = "GET /ours/plain HTTP/1.1\r\nHost: a\r\n\r\n"
    got = await said(server, request * 3)
    assert got.count(b"HTTP/1.1 404 Not Found") == 3
    assert got.count(BODY) == 3
    assert got.endswith(b"<kept alive>")


async def test_a_line_break_in_a_header_plants_no_header(
    server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    got = await said(server, "GET /ours/planted HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"Set-Cookie" not in got
    assert "header injection" in caplog.text
