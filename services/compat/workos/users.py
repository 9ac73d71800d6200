"""Users (VENDORS §2.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.parts import CompatParts
from services.compat.users import user_of_public_id, user_with
from services.compat.workos import callers, shapes
from services.compat.workos.requests import ChangedUser, NewUser, read_asked, step_key
from shared.errors import NotFound
from shared.http.routes import Call, json_response

# Members that WorkOS and the native API call the same.
_SAME: Final = ("email", "email_verified", "external_id")


@dataclass(frozen=True, slots=True)
class Users:
    """The handlers."""

    parts: CompatParts

    async def create(self, call: Call) -> web.Response:
        """Make a user."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = await read_asked(call, NewUser)
        made = await account.native.issuer(
            "POST", "/v1/users", _changes(asked, {}), key=step_key(call, "user")
        )
        return json_response(shapes.user(made), 201)

    async def get(self, call: Call) -> web.Response:
        """Read a user."""
        account = await callers.of_api_key(self.parts.accounts, call)
        return json_response(shapes.user(await find_user(account, call.request.match_info["id"])))

    async def get_by_external_id(self, call: Call) -> web.Response:
        """Read the user whom the product knows by an id of its own."""
        account = await callers.of_api_key(self.parts.accounts, call)
        found = await user_with(account.native, "external_id", call.request.match_info["external_id"])
        if found is None:
            raise NotFound
        return json_response(shapes.user(found))

    async def update(self, call: Call) -> web.Response:
        """Change what is given of a user."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = await read_asked(call, ChangedUser)
        # Of the profile and the metadata the native API takes whole values. Two changes of them at once: the later one stays.
        user = await find_user(account, call.request.match_info["id"])
        changes = _changes(asked, user)
        if changes:
            user = await account.native.issuer("PATCH", f"/v1/users/{user['id']}", changes)
        return json_response(shapes.user(user))

    async def delete(self, call: Call) -> web.Response:
        """Delete a user."""
        account = await callers.of_api_key(self.parts.accounts, call)
        user = await find_user(account, call.request.match_info["id"])
        await account.native.issuer("DELETE", f"/v1/users/{user['id']}")
        return web.Response(status=204)


async def find_user(account: Account, public_id: str) -> dict[str, Any]:
    """Return the user of this id, which was made here or came with an import. Raises `NotFound`."""
    found = await user_of_public_id(account, public_id)
    if found is None:
        raise NotFound
    return found


def _changes(asked: NewUser, user: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the native API is asked to set: of `user`, or of a new one, which is nothing yet."""
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    changes = {name: given[name] for name in _SAME if given.get(name) is not None}
    if user and "external_id" in given:
        changes["external_id"] = given["external_id"]
    claims = {claim: given[name] for name, claim in shapes.PROFILE_CLAIMS.items() if name in given}
    if claims:
        changes["profile"] = _merged(user.get("profile", {}), claims)
    if given.get("metadata") is not None:
        changes["metadata"] = _merged(user.get("metadata", {}), given["metadata"])
    return changes


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the old values with the new ones over them; null takes one away."""
    return {name: value for name, value in {**old, **new}.items() if value is not None}
