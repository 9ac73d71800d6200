"""Where the services are, and one call to either: what the methods of the client stand on."""

import json
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import aiohttp

from .calls import Call, request_id, send


class Calling:
    """A client's connections, its key, and the calls that carry it."""

    def __init__(
        self,
        issuer_url: str,
        verifier_url: str,
        api_key: str,
        *,
        session: aiohttp.ClientSession | None = None,
        timeout_seconds: float = 15.0,
    ) -> None:
        self._issuer_url = _base_url(issuer_url)
        self._verifier_url = _base_url(verifier_url)
        if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise ValueError("the API key is empty or has characters that no key has")
        self._api_key = api_key
        self._timeout_seconds = timeout_seconds
        self._session = session
        self._owns_session = session is None

    async def __aenter__(self) -> Self:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._owns_session and self._session is not None:
            await self._session.close()
            self._session = None

    async def _issuer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Any:
        return await self._send(self._call(method, self._issuer_url + path, body, key=key, secrets=secrets))

    async def _verifier(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        secrets: tuple[str, ...] = (),
        method: str = "POST",
    ) -> Any:
        return await self._send(self._call(method, self._verifier_url + path, body, key=key, secrets=secrets))

    def _call(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        *,
        key: str | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Call:
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "X-Request-Id": request_id.get() or uuid4().hex,
        }
        if method == "POST":
            headers["Idempotency-Key"] = key or str(uuid4())
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, default=_plain, separators=(",", ":")).encode()
        secrets = tuple(secret for secret in (self._api_key, *secrets) if secret)
        return Call(method, url, headers, content, secrets)

    async def _send(self, call: Call) -> Any:
        if self._session is None:
            raise RuntimeError("use the client as `async with MagicLinkClient(…) as client:`")
        return await send(self._session, call, self._timeout_seconds)


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("a base URL is http(s)://host[:port], perhaps with a path")
    if parts.username is not None:
        raise ValueError("a base URL with credentials in it would show them in errors")
    return url.rstrip("/")


def segment(value: str) -> str:
    """One path segment: what a caller passes through from outside must not lead to another route."""
    if value in {"", ".", ".."}:
        raise ValueError("not an id")
    return quote(value, safe="")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
