"""The native API as compat calls it: on behalf of a vendor's key, or for an app that a keyless call names.

Every vendor's translation goes through an `Account`. JSON in, JSON out; what the native API refuses is raised as `NativeRefusal`,
which the vendor's module words in its own way.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import aiohttp
from structlog.contextvars import get_contextvars

from shared.client import ApiError, UnreachableError
from shared.client.calls import Call, send
from shared.errors import Refusal, Unavailable
from shared.http.addresses import asking_address

CALL_SECONDS: Final = 8.0
"""The most that one native call takes, its retries included. Several of one request end at the edge's own limit at the latest."""


class NativeRefusal(Refusal):
    """The native API refused. Decide by `native_code`, which is stable (docs/api.md)."""

    code: ClassVar[str] = "native_refusal"

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.detail or error.title, retry_after_seconds=error.retry_after_seconds)
        self.native_code = error.code
        self.status = error.status
        self.errors = error.errors
        """Field problems of an `invalid_request`: `{"field", "rule", "message"}`."""
        self.members = error.members

    def broke(self, rule: str) -> bool:
        """Say whether a field broke this rule."""
        return any(problem.get("rule") == rule for problem in self.errors)

    def faulted(self, *fields: str) -> bool:
        """Say whether one of these fields broke a rule."""
        return any(problem.get("field") in fields for problem in self.errors)


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the native services are."""

    issuer: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Native:
    """The native services and the connections to them. `own_key` has `apps:act`."""

    session: aiohttp.ClientSession
    urls: Urls
    own_key: str = field(repr=False)

    def with_key(self, api_key: str) -> "Caller":
        """Return what calls with a vendor's key, which is a native key: its scopes and limits are the native API's to judge."""
        return Caller(self, {"Authorization": f"Bearer {api_key}"}, (api_key,))

    def acting_for(self, app_id: UUID | str) -> "Caller":
        """Return what calls with compat's own key for an app, where the vendor's call carries no key."""
        headers = {"Authorization": f"Bearer {self.own_key}", "Magiclink-App": str(app_id)}
        return Caller(self, headers, (self.own_key,))


@dataclass(frozen=True, slots=True, repr=False)
class Caller:
    """Calls the native API with one authority. Holds a key: it has no representation that shows it."""

    native: Native
    headers: Mapping[str, str]
    secrets: tuple[str, ...]

    async def issuer(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Call the issuer; see `ask`."""
        return await self.ask(method, self.native.urls.issuer + path, body, **options)

    async def verifier(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Call the verifier; see `ask`."""
        return await self.ask(method, self.native.urls.verifier + path, body, **options)

    async def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        key: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call and return the answer's JSON, None when it is empty. `key` is the `Idempotency-Key`; each POST has one.

        Raises `NativeRefusal`, and `Unavailable` when no answer came: whether the call took effect is then unknown.
        """
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        call = Call(
            method,
            f"{url}?{urlencode(asked)}" if asked else url,
            self._headers(method, key),
            None if body is None else json.dumps(body, separators=(",", ":"), default=_plain).encode(),
            self.secrets,
        )
        try:
            return await send(self.native.session, call, CALL_SECONDS)
        except ApiError as error:
            raise NativeRefusal(error) from None
        except UnreachableError:
            raise Unavailable("the native API does not answer", retry_after_seconds=1) from None

    def _headers(self, method: str, key: str | None) -> dict[str, str]:
        headers = {
            **self.headers,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Request-Id": current_request_id(),
        }
        # The native limits count by the client's address where they trust compat's network (`MAGICLINK_TRUSTED_PROXIES`).
        if address := asking_address.get():
            headers["X-Forwarded-For"] = address
        if method == "POST":
            headers["Idempotency-Key"] = key or str(uuid4())
        return headers

    def __repr__(self) -> str:
        return "<Caller of the native API>"


def current_request_id() -> str:
    """Return the id of the request that is being answered: it goes along, so that one id finds a whole story in the logs."""
    return str(get_contextvars().get("request_id") or secrets.token_hex(16))


def segment(text: str) -> str:
    """Return a text as one segment of a path: an id that somebody sends never becomes another route."""
    return quote(text, safe="")


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
