"""An app as compat knows it, and a native API that answers what it was told to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import orjson
import pytest
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from services.compat.accounts import Account, VendorApp
from services.compat.attempts import Attempts
from services.compat.native import NativeRefusal
from services.compat.passage.callers import Callers
from shared.client import ApiError
from shared.errors import Unauthorized
from shared.http.routes import Call
from shared.public_ids import format_id

USER_ID = UUID("018f0000-0000-7000-8000-000000000001")
PUBLIC_ID = format_id("{base62}", USER_ID)
KEY = "mlk_good"
APP = VendorApp(
    UUID(int=1),
    "passage",
    "app24",
    {
        "name": "Shop",
        "base_url": "https://shop.example/",
        "redirect_urls": ["https://shop.example/login", "https://reports.example:8443/in/*"],
        "default_redirect_url": "https://shop.example/home",
        "user_id_format": "{base62}",
        "locale": "en",
        "ttl_seconds": 3600,
        "session_seconds": 2_592_000,
        "require_verified": False,
        "created_at": "2026-01-01T00:00:00Z",
        "vendor_settings": {},
    },
)
USER = {
    "id": str(USER_ID),
    "public_id": PUBLIC_ID,
    "email": "ada@example.com",
    "phone": None,
    "username": None,
    "email_verified": True,
    "phone_verified": False,
    "status": "active",
    "external_id": None,
    "imported_id": None,
    "metadata": {"plan": "pro"},
    "login_count": 3,
    "last_login_at": "2026-02-01T10:00:00.5Z",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
}


def refused(code: str, status: int = 400, errors: tuple[Mapping[str, str], ...] = ()) -> NativeRefusal:
    return NativeRefusal(ApiError(status=status, code=code, title="refused", errors=errors))


def settings_of(app: VendorApp, **changes: Any) -> VendorApp:
    return replace(app, settings={**app.settings, **changes})


@dataclass
class FakeNative:
    """Answers by method and path; notes what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    async def issuer(self, method: str, path: str, body: Any = None, **_options: Any) -> Any:
        self.asked.append((f"{method} {path}", body))
        answer = self.answers.get(f"{method} {path}", refused("not_found", 404))
        if isinstance(answer, Exception):
            raise answer
        return answer

    verifier = issuer


@dataclass
class Bench:
    """Handlers with a fake native API behind them."""

    native: FakeNative
    app: VendorApp = APP

    @property
    def account(self) -> Account:
        native: Any = self.native
        return Account(self.app, native)

    @property
    def callers(self) -> Callers:
        accounts: Any = SimpleNamespace(of_key=self._of_key, of_vendor_id=self._of_vendor_id)
        return Callers(accounts)

    @property
    def attempts(self) -> Attempts:
        return Attempts()

    async def _of_key(self, _vendor: str, key: str) -> Account:
        if key != KEY:
            raise Unauthorized
        return self.account

    async def _of_vendor_id(self, _vendor: str, vendor_id: str) -> Account | None:
        return self.account if vendor_id == self.app.vendor_id else None


@pytest.fixture
def bench() -> Bench:
    return Bench(FakeNative())


def call(
    method: str, path: str, body: Any = None, *, match: Mapping[str, str] | None = None, **headers: str
) -> Call:
    """Return a call as the edge hands it over. `match`: the path's parts besides the app."""
    payload = StreamReader(Mock(_reading_paused=False), 2**16)
    if body is not None:
        payload.feed_data(orjson.dumps(body))
    payload.feed_eof()
    request: web.Request = make_mocked_request(
        method,
        path,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        match_info={"app_id": "app24", **(match or {})},
        payload=payload,
    )
    return Call(request, "request-1", "192.0.2.1", None, 65536)


def body_of(response: web.Response) -> Any:
    assert isinstance(response.body, bytes)
    return orjson.loads(response.body)
