"""Stytch's routes in front of a stand-in for the native API, which answers from a table and remembers what it was asked."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.native import Native, Urls
from services.compat.parts import CompatParts
from services.compat.settings import CompatSettings
from services.compat.stytch.routes import stytch_routes
from shared.http.edge import Edge
from shared.limits import FailOpenBucket

PROJECT_ID = "project-test-11111111-1111-4111-8111-111111111111"
SECRET = "mlk_0123456789ab_" + "s" * 43
USER_ID = "0192f0a0-0000-7000-8000-000000000001"
LINK_ID = "0192f0a0-0000-7000-8000-000000000002"
SESSION_ID = "0192f0a0-0000-7000-8000-000000000003"
USER_NAME = f"user-test-{USER_ID}"
AT = "2026-11-21T10:00:00Z"

Answer = tuple[int, Any]


def app(**fields: Any) -> dict[str, Any]:
    return {
        "id": "0192f0a0-0000-7000-8000-00000000000a",
        "vendor": "stytch",
        "vendor_id": PROJECT_ID,
        "vendor_settings": {},
        "user_id_format": "user-test-{uuid}",
        "default_redirect_url": "https://shop.example/authenticate",
        **fields,
    }


def user(**fields: Any) -> dict[str, Any]:
    return {
        "id": USER_ID, "public_id": USER_NAME, "email": "ann@example.com", "phone": None, "username": None,
        "email_verified": False, "phone_verified": False, "status": "active", "status_reason": None, "suspended_until": None,
        "expires_at": None, "external_id": None, "imported_id": None, "profile": {}, "roles": [], "metadata": {},
        "created_at": AT, "updated_at": AT, **fields,
    }  # fmt: skip


def link(**fields: Any) -> dict[str, Any]:
    return {
        "id": LINK_ID,
        "user_id": USER_ID,
        "type": "login",
        "channel": "none",
        "token": "aToken",
        **fields,
    }


def session(**fields: Any) -> dict[str, Any]:
    return {
        "id": SESSION_ID,
        "user_id": USER_ID,
        "factors": [{"type": "magic_link", "delivery_method": "embedded", "address": None, "at": AT}],
        "client": {"ip": "192.0.2.1", "user_agent": "Firefox"},
        "claims": {"plan": "gold"},
        "started_at": AT,
        "last_accessed_at": AT,
        "expires_at": "2026-11-21T11:00:00Z",
        "revoked_at": None,
        **fields,
    }


def redeemed(**fields: Any) -> dict[str, Any]:
    return {"link": link(), "user": user(), "state": None, "metadata": {}, **fields}


def problem(status: int, code: str, **members: Any) -> tuple[int, Any]:
    return status, {"title": "No.", "status": status, "code": code, **members}


def faulty(field: str, rule: str, message: str = "is wrong") -> tuple[int, Any]:
    return problem(422, "invalid_request", errors=[{"field": field, "rule": rule, "message": message}])


@dataclass
class Asked:
    """A native call."""

    name: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass
class Bench:
    """`answers` by `METHOD /path`; `asked` are the calls in order, without that for the key."""

    client: TestClient[web.Request, web.Application] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    app: dict[str, Any] = field(default_factory=app)

    async def native(self, request: web.Request) -> web.Response:
        name = f"{request.method} {request.path}"
        body = await request.json() if request.can_read_body else None
        if name == "GET /v1/keys/self":
            known = request.headers["Authorization"] == f"Bearer {SECRET}"
            status, told = (
                (200, {"app": self.app, "endpoints": None}) if known else problem(401, "unauthorized")
            )
            return web.json_response(told, status=status)
        self.asked.append(Asked(name, dict(request.query), body, request.headers))
        status, told = self.answers.get(name, problem(404, "not_found"))
        return web.json_response(told, status=status) if told is not None else web.Response(status=status)

    def finds(self, **fields: Any) -> None:
        """Let there be a user, found by id and by every look-up."""
        self.answers["GET /v1/users"] = 200, {"items": [user(**fields)], "next_cursor": None}
        self.answers[f"GET /v1/users/{USER_ID}"] = 200, user(**fields)

    def finds_nobody(self) -> None:
        self.answers["GET /v1/users"] = 200, {"items": [], "next_cursor": None}

    async def call(
        self, method: str, path: str, body: Any = None, *, auth: tuple[str, str] | None = (PROJECT_ID, SECRET)
    ) -> tuple[int, dict[str, Any]]:
        """Call as Stytch's SDKs do; return status and body."""
        assert self.client is not None
        headers = (
            {} if auth is None else {"Authorization": aiohttp.encode_basic_auth(*auth, encoding="utf-8")}
        )
        async with self.client.request(method, path, json=body, headers=headers) as response:
            assert response.content_type == "application/json"
            told: dict[str, Any] = await response.json()
            assert told["status_code"] == response.status
            assert told["request_id"].startswith("request-id-test-")
            return response.status, told

    def body_of(self, name: str) -> Any:
        """Return the body of the last native call of this name."""
        return next(asked.body for asked in reversed(self.asked) if asked.name == name)

    @property
    def names(self) -> list[str]:
        return [asked.name for asked in self.asked]


class Open:
    """A limit that lets everybody pass."""

    async def take(self, who: str, tokens: int = 1) -> None:
        return None


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    services = web.Application()
    services.router.add_route("*", "/{path:.*}", bench.native)
    async with TestServer(services) as native_server, aiohttp.ClientSession() as connections:
        base = str(native_server.make_url("")).rstrip("/")
        native = Native(connections, Urls(base, base), f"mlk_{uuid4().hex[:12]}_own")
        settings = cast(CompatSettings, SimpleNamespace(compat_url="https://compat.example"))
        parts = CompatParts(native, Accounts(native), Attempts(), settings)
        limit = cast(FailOpenBucket, Open())
        compat = Edge(None, limit, limit, request_timeout_seconds=20).application(stytch_routes(parts))
        async with TestClient(TestServer(compat)) as client:
            bench.client = client
            yield bench
