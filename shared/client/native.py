"""The native API (DESIGN §8) as methods, a route each."""

from collections.abc import Sequence
from typing import Any, Unpack

from .calling import segment
from .calls import ApiError, refusal
from .directory import Directory
from .passcodes import Passcodes
from .requests import LinkRequest, PasscodeHolder, SendRequest
from .second_factors import SecondFactors
from .sessions import Sessions
from .shapes import (
    Explanation,
    IssuedLink,
    Link,
    LinkHistory,
    Message,
    Verification,
    read,
    read_issued,
    read_verification,
)
from .webhooks import Webhooks


class MagicLinkClient(Directory, Passcodes, SecondFactors, Sessions, Webhooks):
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
        answer = await self._issuer("GET", f"/v1/links/{segment(link_id)}")
        messages = [read(Message, message) for message in answer["messages"]]
        return LinkHistory(read(Link, answer["link"]), messages, answer["timeline"])

    async def send_link(
        self, link_id: str, *, idempotency_key: str | None = None, **request: Unpack[SendRequest]
    ) -> IssuedLink:
        """Sends a link that was made unsent; ApiError `already_sent` when it has a message, `link_over` when it is none any more."""
        path = f"/v1/links/{segment(link_id)}/send"
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
        path = f"/v1/links/{segment(link_id)}/resend"
        return read_issued(await self._issuer("POST", path, body, key=idempotency_key))

    async def revoke_links(self, *, idempotency_key: str | None = None, **whose: str) -> list[str]:
        """Revokes all live links of one user (`user_id`, `email` or `phone`), of one `type` if named; returns their ids."""
        answer = await self._issuer("POST", "/v1/links/revoke", whose, key=idempotency_key)
        return [str(link_id) for link_id in answer["link_ids"]]

    async def revoke_link(self, link_id: str, *, idempotency_key: str | None = None) -> Link:
        """Revokes a link; one that is revoked already is answered the same."""
        path = f"/v1/links/{segment(link_id)}/revoke"
        return read(Link, (await self._issuer("POST", path, {}, key=idempotency_key))["link"])

    async def get_message(self, message_id: str) -> Message:
        return read(Message, await self._issuer("GET", f"/v1/messages/{segment(message_id)}"))

    async def verify_link(
        self, token: str, *, jwt: bool = True, idempotency_key: str | None = None, **wanted: Any
    ) -> Verification:
        """Consumes a link. `jwt=False` leaves the JWT and its cost out; `wanted` is what else to ask for: `session={}`, `application_id`.

        Raises ApiError with `link_invalid`, `link_consumed`, `link_expired`, `link_revoked`,
        `link_not_yet_valid` or `link_in_progress`.
        """
        body = {"token": token, "jwt": jwt, **wanted}
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
        """Consumes a link by its passcode: of `link_id`, or of the newest live link of `user_id`, `email` or `phone`.

        Raises ApiError with `passcode_invalid` for whatever is wrong, or `link_in_progress`.
        """
        body = {"passcode": passcode, "jwt": jwt, **holder}
        return read_verification(
            await self._verifier("/v1/passcodes/verify", body, key=idempotency_key, secrets=(passcode,))
        )

    async def exchange_grant(
        self,
        code: str,
        code_verifier: str | None = None,
        *,
        idempotency_key: str | None = None,
        **wanted: Any,
    ) -> Verification:
        """Exchanges the `code` of the redirect, once; ApiError `grant_invalid` when it is used, unknown or late."""
        body: dict[str, Any] = {"code": code, **wanted}
        if code_verifier is not None:
            body["code_verifier"] = code_verifier
        return read_verification(
            await self._verifier(
                "/v1/grants/exchange", body, key=idempotency_key, secrets=(code, code_verifier or "")
            )
        )

    async def create_pairing(self, link_id: str, return_url: str) -> str:
        """Returns a one-time URL to send the browser to that asked for the link, within a minute; it comes back to `return_url`.

        In a browser that made the visit the link signs in without a click. The page that leads there must say where it comes
        from (a `Referrer-Policy` of `strict-origin` is enough), and `return_url` must be on the app's allow-list.
        """
        path = f"/v1/links/{segment(link_id)}/pairing"
        answer = await self._verifier(path, {"return_url": return_url}, key=None, secrets=())
        return str(answer["pairing_url"])
