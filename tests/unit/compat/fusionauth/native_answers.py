"""FusionAuth's part of compat over a native API that answers as it was told, and keeps what it was asked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.fusionauth.routes import fusionauth_routes
from services.compat.native import Caller, Native, NativeRefusal, Urls
from services.compat.parts import CompatParts
from services.compat.settings import CompatSettings
from shared.client import ApiError
from shared.http.edge import Edge
from shared.limits import FailOpenBucket

TENANT = "f24aca2b-ce4a-4dad-951a-c9d690e71415"
APPLICATION = "10000000-0000-0002-0000-000000000001"
USER_ID = "00000000-0000-0001-0000-000000000000"
SESSION = "00000000-0000-0003-0000-000000000000"
KEY = "mlk_0123456789ab_key"
NARROW_KEY = "mlk_0123456789ab_narrow"
APP: dict[str, Any] = {
    "id": str(UUID(int=1)), "name": "Shop", "vendor": "fusionauth", "vendor_id": TENANT, "vendor_settings": {},
    "base_url": "http://shop.test", "redirect_urls": ["http://shop.test/callback"], "redirects_exact": False, "jwt_algorithm": "RS256",
    "jwt_issuer": "http://compat.test", "passcode_strategy": "bytes", "passcode_length": 32, "ttl_seconds": 180,
    "session_seconds": 2592000, "trust_seconds": 2592000,
}  # fmt: skip
USER: dict[str, Any] = {
    "id": USER_ID, "public_id": USER_ID, "app_id": APP["id"], "email": "john@example.com", "phone": None, "username": None,
    "email_verified": True, "phone_verified": False, "status": "active", "status_reason": None, "suspended_until": None,
    "expires_at": None, "external_id": None, "imported_id": None,
    "profile": {"given_name": "John", "preferred_languages": ["en"]}, "roles": [], "metadata": {"plan": "gold"},
    "password_change_required": False, "has_second_factor": False, "login_count": 1, "last_login_at": "2024-01-02T00:00:00.500Z",
    "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
}  # fmt: skip
REGISTRATION: dict[str, Any] = {
    "id": "00000000-0000-0002-0000-000000000000", "app_id": APP["id"], "user_id": USER_ID, "application_id": APPLICATION,
    "roles": ["user"], "username": None, "verified": True, "metadata": {}, "last_login_at": None,
    "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
}  # fmt: skip
REDEEMED: dict[str, Any] = {
    "link": {"id": str(UUID(int=5)), "redirect_url": None, "metadata": {"application_id": APPLICATION}},
    "user": USER, "registration": REGISTRATION, "state": {"cart": 7}, "metadata": {}, "session_token": "0s",
    "session": {"id": SESSION, "user_id": USER_ID, "application_id": APPLICATION}, "refresh_token": "0r",
}  # fmt: skip
SIGNED = {"jwt": "eyJ.x.y", "jwt_expires_at": "2024-01-01T01:00:00Z"}
DEFAULTS: dict[str, Any] = {
    f"GET /v1/applications/{APPLICATION}": {"id": APPLICATION, "active": True, "refresh_tokens": True},
    "GET /v1/users": {"items": [USER]},
    "POST /v1/passcodes/verify": REDEEMED,
    f"POST /v1/sessions/{SESSION}/jwt": SIGNED,
    "POST /v1/links": {"link": {"id": str(UUID(int=5)), "passcode": "c0de"}},
    "POST /v1/passcodes/send": {},
}


def refused(code: str, status: int, *faults: tuple[str, str], **members: Any) -> NativeRefusal:
    """Return what the native API's refusal becomes; `faults` are fields and rules."""
    errors = [{"field": name, "rule": rule, "message": f"breaks {rule}"} for name, rule in faults]
    detail = members.pop("detail", None)
    return NativeRefusal(
        ApiError(status=status, code=code, title=code, detail=detail, errors=errors, members=members)
    )


@dataclass(frozen=True)
class Asked:
    """One native call."""

    what: str
    body: Any
    key: str | None
    authority: str


@dataclass
class Answers:
    """`by_call`: `METHOD /path` to a value, or what is raised, or a list of these, one a call."""

    by_call: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    asked: list[Asked] = field(default_factory=list)
    apps: int = 1

    def answer(self, asked: Asked, query: Mapping[str, Any]) -> Any:
        if asked.what == "GET /v1/keys/self":
            endpoints = {KEY: None, NARROW_KEY: {"/api/passwordless/start": ["POST"]}}
            if asked.authority not in endpoints:
                raise refused("unauthorized", 401)
            return {"app": APP, "endpoints": endpoints[asked.authority]}
        if asked.what == "GET /v1/apps/by-vendor":
            named = {query.get("vendor_id"), query.get("application_id")} - {None}
            if named & {TENANT, APPLICATION} or (not named and self.apps == 1):
                return APP
            raise refused("not_found", 404)
        self.asked.append(asked)
        found = self.by_call.get(asked.what, refused("not_found", 404))
        if isinstance(found, list):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def bodies(self, what: str) -> list[Any]:
        """Return what a native route was asked."""
        return [asked.body for asked in self.asked if asked.what == what]


class ToldCaller(Caller):
    async def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        key: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        native = cast(ToldNative, self.native)
        authority = self.headers.get("Magiclink-App") or self.secrets[0]
        asked = Asked(f"{method} {urlsplit(url).path}", body, key, authority)
        return native.answers.answer(asked, query or {})


@dataclass(frozen=True)
class ToldNative(Native):
    answers: Answers = field(default_factory=Answers)

    def with_key(self, api_key: str) -> Caller:
        return ToldCaller(self, {}, (api_key,))

    def acting_for(self, app_id: UUID | str) -> Caller:
        return ToldCaller(self, {"Magiclink-App": str(app_id)}, (self.own_key,))


class OpenDoor:
    async def take(self, who: str, tokens: int = 1) -> None:
        pass


@asynccontextmanager
async def compat(answers: Answers, url: str = "http://compat.test") -> AsyncIterator[TestClient[Any, Any]]:
    """Serve FusionAuth's routes as the edge serves them."""
    settings = CompatSettings(
        environment="dev",
        redis_url="redis://localhost",
        issuer_url="http://issuer.test",
        verifier_url="http://verifier.test",
        compat_url=url,
        compat_api_key="mlk_own",
    )
    async with aiohttp.ClientSession() as session:
        native = ToldNative(session, Urls("http://issuer.test", "http://verifier.test"), "mlk_own", answers)
        parts = CompatParts(native, Accounts(native), Attempts(), settings)
        door = cast(FailOpenBucket, OpenDoor())
        edge = Edge(api_keys=None, address_limit=door, key_limit=door, request_timeout_seconds=5)
        async with TestClient(TestServer(edge.application(fusionauth_routes(parts)))) as client:
            yield client


async def post(
    client: TestClient[Any, Any], path: str, body: Any, key: str | None = None, **headers: str
) -> tuple[int, Any]:
    """POST as the SDK does; return status and JSON."""
    sent = {**({"Authorization": key} if key else {}), **headers}
    async with client.post(path, json=body, headers=sent) as response:
        raw = await response.read()
        return response.status, (await response.json() if raw else None)
