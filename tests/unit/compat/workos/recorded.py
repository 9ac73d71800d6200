"""WorkOS's part of compat over a native API that answers as recorded."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.native import Caller, Native, NativeRefusal, Urls
from services.compat.parts import CompatParts
from services.compat.settings import CompatSettings
from services.compat.workos.routes import workos_routes
from shared.client import ApiError
from shared.http.edge import Edge
from shared.limits import FailOpenBucket
from shared.public_ids import ulid

CLIENT_ID = "client_01"
KEY = "mlk_0123456789ab_key"
OTHERS_KEY = "mlk_0123456789ab_other"
LINK_ID = "0199a000-0000-7000-8000-00000000000a"
USER_ID = "0199a000-0000-7000-8000-00000000000b"
CONNECTION_ID = "0199a000-0000-7000-8000-00000000000c"
SESSION_ID = "0199a000-0000-7000-8000-00000000000d"
PUBLIC_USER_ID = f"user_{ulid(UUID(USER_ID))}"

USER: dict[str, Any] = {
    "id": USER_ID, "public_id": PUBLIC_USER_ID, "app_id": str(UUID(int=1)), "email": "ada@example.com", "phone": None,
    "username": None, "email_verified": True, "phone_verified": False, "status": "active", "status_reason": None,
    "suspended_until": None, "expires_at": None, "external_id": None, "imported_id": None,
    "profile": {"given_name": "Ada", "family_name": "Lovelace", "birthdate": "1815-12-10"}, "roles": [],
    "metadata": {"plan": "pro"}, "password_change_required": False, "has_second_factor": False, "login_count": 0,
    "last_login_at": None, "created_at": "2026-01-01T00:00:00.123456Z", "updated_at": "2026-01-02T00:00:00Z",
}  # fmt: skip
LINK: dict[str, Any] = {
    "id": LINK_ID, "app_id": str(UUID(int=1)), "user_id": USER_ID, "type": "login", "status": "issued",
    "redirect_url": "https://app.example/callback", "state": None, "metadata": {}, "channel": "none", "send_at": None,
    "expires_at": "2026-01-01T00:15:00Z", "created_at": "2026-01-01T00:00:00Z", "consumed_at": None, "revoked_at": None,
}  # fmt: skip
CONNECTION: dict[str, Any] = {
    "id": CONNECTION_ID, "app_id": str(UUID(int=1)), "type": "magic_link", "domain": "example.com",
    "organization_id": None, "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def refused(code: str, status: int, *, errors: Any = (), **members: Any) -> NativeRefusal:
    """Return what the native API's refusal becomes."""
    detail = members.pop("detail", None)
    return NativeRefusal(
        ApiError(status=status, code=code, title=code, detail=detail, errors=errors, members=members)
    )


@dataclass(frozen=True)
class Asked:
    """One native call."""

    method: str
    path: str
    body: Any
    key: str | None
    query: Mapping[str, Any] | None
    authority: str


@dataclass
class Recorded:
    """`answers` by method and path: a value, or what is raised. `asked` is what came, apart from the look-ups of keys."""

    answers: dict[str, Any] = field(default_factory=dict)
    vendor_settings: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def app(self, vendor_id: str = CLIENT_ID) -> dict[str, Any]:
        return {
            "id": str(UUID(int=1)),
            "vendor": "workos",
            "vendor_id": vendor_id,
            "vendor_settings": self.vendor_settings,
            "user_id_format": "user_{ulid}",
        }

    def answer(self, asked: Asked) -> Any:
        if asked.path == "/v1/keys/self":
            vendor_ids = {KEY: CLIENT_ID, OTHERS_KEY: "client_02"}
            if asked.authority not in vendor_ids:
                raise refused("unauthorized", 401)
            return {"app": self.app(vendor_ids[asked.authority]), "endpoints": None}
        if asked.path == "/v1/apps/by-vendor":
            assert asked.query is not None
            if asked.query["vendor_id"] != CLIENT_ID:
                raise refused("not_found", 404)
            return self.app()
        self.asked.append(asked)
        found = self.answers[f"{asked.method} {asked.path}"]
        if isinstance(found, Exception):
            raise found
        return found(asked) if callable(found) else found


class RecordedCaller(Caller):
    async def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        key: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        if not all(secret.isprintable() for secret in self.secrets):
            raise ValueError("a line break in a header")  # as aiohttp does
        native = cast(RecordedNative, self.native)
        authority = self.headers.get("Magiclink-App") or self.secrets[0]
        return native.recorded.answer(Asked(method, urlsplit(url).path, body, key, query, authority))


@dataclass(frozen=True)
class RecordedNative(Native):
    recorded: Recorded = field(default_factory=Recorded)

    def with_key(self, api_key: str) -> Caller:
        return RecordedCaller(self, {}, (api_key,))

    def acting_for(self, app_id: UUID | str) -> Caller:
        return RecordedCaller(self, {"Magiclink-App": str(app_id)}, (self.own_key,))


class OpenDoor:
    async def take(self, who: str, tokens: int = 1) -> None:
        pass


SETTINGS: dict[str, Any] = {
    "environment": "dev", "redis_url": "redis://localhost", "issuer_url": "http://issuer.test",
    "verifier_url": "http://verifier.test", "compat_url": "http://localhost", "compat_api_key": "mlk_own",
}  # fmt: skip


@asynccontextmanager
async def compat(recorded: Recorded, **settings: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """Serve the routes, as the edge serves them; yields a client."""
    async with aiohttp.ClientSession() as session:
        urls = Urls("http://issuer.test", "http://verifier.test")
        native = RecordedNative(session, urls, "mlk_own", recorded)
        parts = CompatParts(native, Accounts(native), Attempts(), CompatSettings(**{**SETTINGS, **settings}))
        door = cast(FailOpenBucket, OpenDoor())
        edge = Edge(api_keys=None, address_limit=door, key_limit=door, request_timeout_seconds=5)
        async with TestClient(TestServer(edge.application(workos_routes(parts)))) as client:
            yield client


async def ask(
    client: TestClient[Any, Any], method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Call with the API key; return status and JSON."""
    bearing = {"Authorization": f"Bearer {KEY}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    async with client.request(method, path, json=body, headers=bearing) as response:
        raw = await response.read()
        assert not raw or response.content_type == "application/json"
        return response.status, (await response.json() if raw else None)


Answer = Callable[[Asked], Any]
