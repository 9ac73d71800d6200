"""Passwordless sessions: a magic link, made by one call and sent by another (VENDORS §2.3).

The link is the native page's: it shows who asks, and only its button redeems it. The 303 that follows has `code` and `state`.
"""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from services.compat.workos import callers, ids, shapes
from services.compat.workos.connections import connection_of
from services.compat.workos.requests import AskedSession, read_asked, step_key
from shared.errors import Forbidden
from shared.http.routes import Call, json_response

GRANT_SECONDS: Final = 600
"""How long the code of the redirect lives."""


@dataclass(frozen=True, slots=True)
class Passwordless:
    """The handlers."""

    parts: CompatParts

    async def create(self, call: Call) -> web.Response:
        """Make a session, and the Magic Link connection of the address's domain if there is none."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = await read_asked(call, AskedSession)
        wanted = {
            "email": asked.email,
            "channel": "none",
            "redirect_url": asked.redirect_uri,
            "state": asked.state,
            "ttl_seconds": asked.expires_in,
            "grant_ttl_seconds": GRANT_SECONDS,
        }
        # The link first: what refuses it (a foreign redirect URI, a bad address) leaves nothing behind.
        made = await account.native.issuer("POST", "/v1/links", wanted, key=step_key(call, "link"))
        if "url" not in made["link"]:
            raise Forbidden("needs the scope links:reveal")
        await connection_of(account, asked.email, step_key(call, "connection"))
        return json_response(shapes.passwordless_session(made["link"], asked.email), 201)

    async def send(self, call: Call) -> web.Response:
        """Send the session's link by e-mail; once more, when it was sent already."""
        account = await callers.of_api_key(self.parts.accounts, call)
        link_id = ids.native_id(ids.SESSION, call.request.match_info["id"])
        path = f"/v1/links/{link_id}"
        try:
            await _send(
                account, f"{path}/send", {"channel": "email", "verify_address": True}, step_key(call, "send")
            )
        except NativeRefusal as refusal:
            if refusal.native_code != "already_sent":
                raise
            await _send(account, f"{path}/resend", {}, step_key(call, "resend"))
        return json_response({"success": True})


async def _send(account: Account, path: str, body: dict[str, Any], key: str | None) -> None:
    await account.native.issuer("POST", path, body, key=key)
