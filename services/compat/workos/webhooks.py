"""Webhooks in WorkOS's form (VENDORS §2.6): a native webhook comes in, the product gets its event with `WorkOS-Signature`.

Compat keeps nothing: the native deliverer is answered with the product's status, so its retries are the product's retries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp import web

from services.compat.accounts import Account
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from services.compat.settings import WebhookForward
from services.compat.workos import ids
from services.compat.workos.events import (
    SIGNATURE_HEADER,
    Facts,
    concerns,
    event_body,
    signature,
    translated,
)
from shared.clock import Clock, wall
from shared.errors import NotFound, Unauthorized, Unavailable
from shared.http.routes import Call, parse_json, read_body
from shared.webhooks import WebhookInvalid, verify

FORWARD_SECONDS: Final = 8.0
"""The most that the product may take; below the native deliverer's own limit."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The handler."""

    parts: CompatParts
    clock: Clock = wall

    async def forward(self, call: Call) -> web.Response:
        """Tell the product of an event, if WorkOS has one for it."""
        client_id = call.request.match_info["client_id"]
        raw = await read_body(call.request, call.max_body_bytes)
        forward = self._forward_of(client_id, call.request.headers, raw)
        account = await self.parts.accounts.of_vendor_id(ids.VENDOR, client_id)
        if account is None:
            raise NotFound
        event = await _event(account, parse_json(raw))
        return web.Response(status=204 if event is None else await self._tell(forward, event))

    def _forward_of(self, client_id: str, headers: Mapping[str, str], raw: bytes) -> WebhookForward:
        """Return whom this webhook is for: its signature says so. Raises `Unauthorized`, also for a client that has none."""
        for forward in self.parts.settings.forwards:
            if (forward.vendor, forward.vendor_id) != (ids.VENDOR, client_id):
                continue
            try:
                verify(forward.secret.get_secret_value(), headers, raw, self.clock())
            except WebhookInvalid:
                continue
            return forward
        raise Unauthorized

    async def _tell(self, forward: WebhookForward, event: Mapping[str, Any]) -> int:
        """Post the event to the product and return its status. Raises `Unavailable` when no answer comes."""
        body = event_body(event)
        signed = signature(forward.target_secret.get_secret_value(), body, int(self.clock() * 1000))
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signed}
        try:
            async with self.parts.native.session.post(
                forward.target_url,
                data=body,
                headers=headers,
                # A redirect would take the event to who knows whom.
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=FORWARD_SECONDS),
            ) as answer:
                # The native deliverer takes a 2xx for success and knows no redirects.
                return answer.status if not 300 <= answer.status < 400 else 502
        except (aiohttp.ClientError, TimeoutError):
            raise Unavailable("the product does not answer", retry_after_seconds=1) from None


async def _event(account: Account, native: Any) -> dict[str, Any] | None:
    if not concerns(native):
        return None
    data = native["data"]
    try:
        link = await account.native.issuer("GET", f"/v1/links/{data['link_id']}")
        user = await account.native.issuer("GET", f"/v1/users/{data['user_id']}")
    except NativeRefusal as refusal:
        # A user who was deleted meanwhile: there is nothing left to tell.
        if refusal.native_code == "not_found":
            return None
        raise
    return translated(native, Facts(link["link"], user))
