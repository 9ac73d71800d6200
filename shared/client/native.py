"""The native API (DESIGN §8) as methods, a route each."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID, uuid4

import aiohttp

from .calls import ApiError, Call, refusal, request_id, send
from .shapes import (
    ApiKey,
    Explanation,
    IssuedLink,
    Link,
    LinkHistory,
    LinkRequest,
    Message,
    PasscodeHolder,
    SendRequest,
    User,
    UserFields,
    Verification,
    read,
    read_issued,
    read_verification,
)


class MagicLinkClient:
    """Asks the issuer and the verifier on behalf of one app.

        async with MagicLinkClient(issuer_url, verifier_url, api_key) as magiclink:
            await magiclink.create_link(email="ada@example.com", channel="email")

    Args:
        issuer_url: Base URL of the issuer.
        verifier_url: Base URL of the verifier.
        api_key: The app's key; it goes to these two URLs only, redirects are not followed.
        session: A session to share; it is left open. Without it the client has one of its own.
        timeout_seconds: The most that one call takes, all its retries included.

    Every method raises ApiError for a refusal and UnreachableError when no answer came. `idempotency_key` makes
    a call the same attempt as an earlier one, say of a process that died; by default each call is a new attempt.
    """

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

    async def create_link(
        self, *, idempotency_key: str | None = None, **request: Unpack[LinkRequest]
    ) -> IssuedLink:
        """Asks for one link, and for its message unless `channel` is "none"."""
        return read_issued(await self._issuer("POST", "/v1/links", request, key=idempotency_key))

    async def create_links(
        self, requests: Sequence[LinkRequest], *, idempotency_key: str | None = None
    ) -> list[IssuedLink | ApiError]:
        """Asks for 1 to 10,000 links; answers in order, a refused item as an ApiError that is not raised."""
        body = {"links": list(requests)}
        answer = await self._issuer("POST", "/v1/links/batch", body, key=idempotency_key)
        return [
            refusal(item["error"], item["error"].get("status", 400), {})
            if item.get("error")
            else read_issued(item)
            for item in answer["results"]
        ]

    async def explain_link(self, **request: Unpack[LinkRequest]) -> Explanation:
        """Asks what `create_link` would do with this request, and every reason why it would refuse it. Makes nothing."""
        return read(Explanation, await self._issuer("POST", "/v1/links/explain", request))

    async def get_link(self, link_id: str) -> LinkHistory:
        """Reads a link with its messages and timeline; never its URL, token or passcode."""
        answer = await self._issuer("GET", f"/v1/links/{_segment(link_id)}")
        messages = [read(Message, message) for message in answer["messages"]]
        return LinkHistory(read(Link, answer["link"]), messages, answer["timeline"])

    async def send_link(
        self, link_id: str, *, idempotency_key: str | None = None, **request: Unpack[SendRequest]
    ) -> IssuedLink:
        """Sends a link that was made unsent; ApiError `already_sent` when it has a message, `link_over` when it is none any more."""
        path = f"/v1/links/{_segment(link_id)}/send"
        return read_issued(await self._issuer("POST", path, request, key=idempotency_key))

    async def resend_link(
        self,
        link_id: str,
        *,
        channel: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> IssuedLink:
        """Sends a link again, by another channel if one is named; its end stays, its passcode is a new one.

        Raises ApiError with `not_sent`, `link_over`, or `rate_limited`: once in 30 seconds, five messages a link.
        """
        wanted = {"channel": channel, "locale": locale}
        body = {name: value for name, value in wanted.items() if value is not None}
        path = f"/v1/links/{_segment(link_id)}/resend"
        return read_issued(await self._issuer("POST", path, body, key=idempotency_key))

    async def revoke_links(self, *, idempotency_key: str | None = None, **whose: str) -> list[str]:
        """Revokes all live links of one user (`user_id`, `email` or `phone`), of one `type` if named; returns their ids."""
        answer = await self._issuer("POST", "/v1/links/revoke", whose, key=idempotency_key)
        return [str(link_id) for link_id in answer["link_ids"]]

    async def revoke_link(self, link_id: str, *, idempotency_key: str | None = None) -> Link:
        """Revokes a link; one that is revoked already is answered the same."""
        path = f"/v1/links/{_segment(link_id)}/revoke"
        return read(Link, (await self._issuer("POST", path, {}, key=idempotency_key))["link"])

    async def get_message(self, message_id: str) -> Message:
        return read(Message, await self._issuer("GET", f"/v1/messages/{_segment(message_id)}"))

    async def verify_link(
        self, token: str, *, jwt: bool = True, idempotency_key: str | None = None
    ) -> Verification:
        """Consumes a link. `jwt=False` leaves the JWT and its cost out.

        Raises ApiError with `link_invalid`, `link_consumed`, `link_expired`, `link_revoked`,
        `link_not_yet_valid` or `link_in_progress`.
        """
        body = {"token": token, "jwt": jwt}
        return read_verification(
            await self._verifier("/v1/links/verify", body, key=idempotency_key, secrets=(token,))
        )

    async def verify_passcode(
        self,
        passcode: str,
        *,
        jwt: bool = True,
        idempotency_key: str | None = None,
        **holder: Unpack[PasscodeHolder],
    ) -> Verification:
        """Consumes a link by its passcode: of `link_id`, or of the newest live link of `email` or `phone`.

        Raises ApiError with `passcode_invalid` for whatever is wrong, or `link_in_progress`.
        """
        body = {"passcode": passcode, "jwt": jwt, **holder}
        return read_verification(
            await self._verifier("/v1/passcodes/verify", body, key=idempotency_key, secrets=(passcode,))
        )

    async def exchange_grant(
        self, code: str, code_verifier: str | None = None, *, idempotency_key: str | None = None
    ) -> Verification:
        """Exchanges the `code` of the redirect, once; ApiError `grant_invalid` when it is used, unknown or late."""
        body = {"code": code}
        if code_verifier is not None:
            body["code_verifier"] = code_verifier
        return read_verification(
            await self._verifier(
                "/v1/grants/exchange", body, key=idempotency_key, secrets=tuple(body.values())
            )
        )

    async def create_pairing(self, link_id: str, return_url: str) -> str:
        """Returns a one-time URL to send the browser to that asked for the link, within a minute; it comes back to `return_url`.

        In a browser that made the visit the link signs in without a click. The page that leads there must say where it comes
        from (a `Referrer-Policy` of `strict-origin` is enough), and `return_url` must be on the app's allow-list.
        """
        path = f"/v1/links/{_segment(link_id)}/pairing"
        answer = await self._verifier(path, {"return_url": return_url}, key=None, secrets=())
        return str(answer["pairing_url"])

    async def create_user(self, *, idempotency_key: str | None = None, **user: Unpack[UserFields]) -> User:
        return read(User, await self._issuer("POST", "/v1/users", user, key=idempotency_key))

    async def get_user(self, user_id: str) -> User:
        return read(User, await self._issuer("GET", f"/v1/users/{_segment(user_id)}"))

    async def find_users(self, **criteria: str) -> tuple[list[User], str | None]:
        """One page of the users that match (`email`, `phone`, `cursor`, `limit`), and the next page's cursor."""
        answer = await self._issuer("GET", f"/v1/users?{urlencode(criteria)}")
        return [read(User, item) for item in answer["items"]], answer.get("next_cursor")

    async def update_user(self, user_id: str, **changes: Unpack[UserFields]) -> User:
        return read(User, await self._issuer("PATCH", f"/v1/users/{_segment(user_id)}", changes))

    async def delete_user(self, user_id: str) -> None:
        """Deletes a user; one that is not there counts as deleted."""
        await self._issuer("DELETE", f"/v1/users/{_segment(user_id)}")

    async def create_app(self, *, idempotency_key: str | None = None, **settings: Any) -> dict[str, Any]:
        """Creates an app; settings and answer have the names of DESIGN §6."""
        app: dict[str, Any] = await self._issuer("POST", "/v1/apps", settings, key=idempotency_key)
        return app

    async def get_app(self, app_id: str) -> dict[str, Any]:
        app: dict[str, Any] = await self._issuer("GET", f"/v1/apps/{_segment(app_id)}")
        return app

    async def update_app(self, app_id: str, **changes: Any) -> dict[str, Any]:
        app: dict[str, Any] = await self._issuer("PATCH", f"/v1/apps/{_segment(app_id)}", changes)
        return app

    async def create_key(self, app_id: str, *, idempotency_key: str | None = None, **settings: Any) -> ApiKey:
        """Creates an API key (`scopes`, `expires_at`, …); its `key` is in this answer only."""
        path = f"/v1/apps/{_segment(app_id)}/keys"
        return read(ApiKey, await self._issuer("POST", path, settings, key=idempotency_key))

    async def revoke_key(self, app_id: str, key_id: str) -> None:
        """Revokes an API key; one that is not there counts as revoked."""
        await self._issuer("DELETE", f"/v1/apps/{_segment(app_id)}/keys/{_segment(key_id)}")

    async def _issuer(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Any:
        return await self._send(self._call(method, self._issuer_url + path, body, key=key))

    async def _verifier(
        self, path: str, body: Mapping[str, Any], *, key: str | None, secrets: tuple[str, ...]
    ) -> Any:
        return await self._send(self._call("POST", self._verifier_url + path, body, key=key, secrets=secrets))

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


def _segment(value: str) -> str:
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
