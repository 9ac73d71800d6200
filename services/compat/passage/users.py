"""Users, their devices and their refresh tokens: the management API with a key."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, StrictStr

from services.compat.accounts import Account
from services.compat.passage import shapes
from services.compat.passage.callers import Callers
from services.compat.passage.errors import (
    device_not_found,
    invalid_request,
    refusal_view,
    users_refusal_view,
)
from services.compat.passage.user_lookup import find_user
from services.compat.passage.user_pages import UserPages
from shared.http.routes import Call, Delegated, Route, json_response

_KEY: Final = Delegated("the app's API key, checked by the native API")
_USERS: Final = "/v1/apps/{app_id}/users"
_USER: Final = _USERS + "/{user_id}"


class UserValues(BaseModel):
    """What is set of a user. An absent member is left as it is."""

    email: StrictStr | None = None
    phone: StrictStr | None = None
    user_metadata: dict[str, Any] | None = None

    def native(self) -> dict[str, Any]:
        """Return the values by the native API's names. An empty text is an absent one."""
        values = {"email": self.email, "phone": self.phone, "metadata": self.user_metadata}
        return {name: value for name, value in values.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class UsersApi:
    """The handlers, and what they need."""

    callers: Callers

    def routes(self) -> list[Route]:
        table = [
            ("POST", _USERS, self.create),
            ("GET", _USERS, self.list),
            ("GET", _USER, self.read),
            ("PATCH", _USER, self.change),
            ("DELETE", _USER, self.delete),
            ("PATCH", f"{_USER}/activate", self.activate),
            ("PATCH", f"{_USER}/deactivate", self.deactivate),
            ("GET", f"{_USER}/devices", self.devices),
            ("DELETE", f"{_USER}/devices/{{device_id}}", self.revoke_device),
        ]
        tokens = Route("DELETE", f"{_USER}/tokens", self.revoke_tokens, _KEY, refusal_view=refusal_view)
        return [*(Route(*row, _KEY, refusal_view=users_refusal_view) for row in table), tokens]

    async def create(self, call: Call) -> web.Response:
        """Make a user."""
        account = await self.callers.of_key(call)
        values = (await call.body(UserValues)).native()
        if not values.keys() & {"email", "phone"}:
            raise invalid_request("give email or phone, or both")
        user = await account.native.issuer("POST", "/v1/users", values)
        return json_response({"user": shapes.user_whole(user)}, 201)

    async def list(self, call: Call) -> web.Response:
        """List users, newest first, or find the one with an identifier."""
        account = await self.callers.of_key(call)
        return json_response(await UserPages(account).page(call.request.query))

    async def read(self, call: Call) -> web.Response:
        """Read a user."""
        account = await self.callers.of_key(call)
        return _told(await find_user(account, call.request.match_info["user_id"]))

    async def change(self, call: Call) -> web.Response:
        """Change a user's identifiers and metadata."""
        account = await self.callers.of_key(call)
        return await _changed(account, call, (await call.body(UserValues)).native())

    async def activate(self, call: Call) -> web.Response:
        """Let a user log in."""
        return await _changed(await self.callers.of_key(call), call, {"status": "active"})

    async def deactivate(self, call: Call) -> web.Response:
        """Keep a user from logging in, and end their sessions."""
        return await _changed(await self.callers.of_key(call), call, {"status": "inactive"})

    async def delete(self, call: Call) -> web.Response:
        """Delete a user."""
        account = await self.callers.of_key(call)
        user = await find_user(account, call.request.match_info["user_id"])
        await account.native.issuer("DELETE", f"/v1/users/{user['id']}")
        return web.Response()

    async def devices(self, call: Call) -> web.Response:
        """List a user's passkeys, of which there are none here."""
        account = await self.callers.of_key(call)
        await find_user(account, call.request.match_info["user_id"])
        return json_response({"devices": []})

    async def revoke_device(self, call: Call) -> web.Response:
        """Refuse to revoke a passkey: there are none here."""
        account = await self.callers.of_key(call)
        await find_user(account, call.request.match_info["user_id"])
        raise device_not_found()

    async def revoke_tokens(self, call: Call) -> web.Response:
        """End all sessions of a user, and with them their refresh tokens."""
        account = await self.callers.of_key(call)
        user = await find_user(account, call.request.match_info["user_id"])
        await account.native.verifier("POST", "/v1/sessions/revoke", {"user_id": user["id"]})
        return web.Response()


async def _changed(account: Account, call: Call, values: dict[str, Any]) -> web.Response:
    user = await find_user(account, call.request.match_info["user_id"])
    if values:
        user = await account.native.issuer("PATCH", f"/v1/users/{user['id']}", values)
    return _told(user)


def _told(user: dict[str, Any]) -> web.Response:
    return json_response({"user": shapes.user_whole(user)})
