"""Magic Auth: a code of six digits by e-mail, good for ten minutes (VENDORS §2.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from services.compat.workos import callers, ids, shapes
from services.compat.workos.requests import AskedMagicAuth, read_asked, step_key
from shared.errors import Forbidden, NotFound
from shared.http.routes import Call, json_response

CODE_SECONDS: Final = 600
MARK: Final = {"workos": "magic_auth"}
"""The metadata of the native links behind Magic Auths: a passwordless session is not read as one, and webhooks know them."""


@dataclass(frozen=True, slots=True)
class MagicAuth:
    """The handlers."""

    parts: CompatParts

    async def create(self, call: Call) -> web.Response:
        """Make a code, and the user if there is none, and send it unless the app's product sends codes itself."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = await read_asked(call, AskedMagicAuth)
        wanted = {
            "email": asked.email,
            "ttl_seconds": CODE_SECONDS,
            "locale": asked.locale,
            "client": asked.client,
            "metadata": MARK,
            **_delivery(account.app.vendor_settings),
        }
        made = await account.native.issuer("POST", "/v1/passcodes", wanted, key=step_key(call, "passcode"))
        return json_response(await _view(account, made["passcode"], made["passcode"].get("code")), 201)

    async def get(self, call: Call) -> web.Response:
        """Read a live code, for a product that sends it itself."""
        account = await callers.of_api_key(self.parts.accounts, call)
        link_id = ids.native_id(ids.MAGIC_AUTH, call.request.match_info["id"])
        try:
            link = (await account.native.issuer("POST", f"/v1/links/{link_id}/reveal", {}))["link"]
        except NativeRefusal as refusal:
            # A code that was used or is late is told to nobody.
            if refusal.native_code == "link_over":
                raise NotFound from None
            raise
        if not is_magic_auth(link):
            raise NotFound
        return json_response(await _view(account, link, link.get("passcode")))


def is_magic_auth(link: Mapping[str, Any]) -> bool:
    """Say whether a native link was made as a Magic Auth."""
    return bool(link["metadata"] == MARK)


def _delivery(vendor_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return by what the code goes out. Only what we sent proves that the address is the user's."""
    if vendor_settings.get("magic_auth_emails", True):
        return {"channel": "email", "verify_address": True}
    return {"channel": "none"}


async def _view(account: Account, passcode: Mapping[str, Any], code: str | None) -> dict[str, Any]:
    if code is None:
        raise Forbidden("needs the scope links:reveal")
    user = await account.native.issuer("GET", f"/v1/users/{passcode['user_id']}")
    return shapes.magic_auth(passcode, user) | {"code": code}
