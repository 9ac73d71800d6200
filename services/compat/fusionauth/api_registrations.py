"""Registrations: which application a user belongs to, with which roles (VENDORS §4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import shapes
from services.compat.fusionauth.api_users import make_user
from services.compat.fusionauth.bodies import Registration, Whole, given
from services.compat.fusionauth.errors import refusal_view, translated
from services.compat.fusionauth.people import user_of_id
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from shared.errors import FieldProblem, Invalid
from shared.http.routes import Call, Route, json_response, validate

ENDPOINT: Final = "/api/user/registration"
_NAMES: Final[Mapping[str, str]] = {
    "application_id": "registration.applicationId",
    "id": "registration.id",
    "roles": "registration.roles",
    "username": "registration.username",
    "verified": "registration.verified",
    "metadata": "registration.data",
    "registration": "registration",
}
_COLUMNS: Final[Mapping[str, str]] = {
    "roles": "roles", "username": "username", "verified": "verified", "data": "metadata",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RegistrationsApi:
    """The handlers, and what they need."""

    tenants: Tenants

    def routes(self) -> list[Route]:
        of_user = f"{ENDPOINT}/{{user_id}}"
        one = f"{of_user}/{{application_id}}"
        return [
            Route("POST", ENDPOINT, self.create, BY_KEY, refusal_view=refusal_view),
            Route("POST", of_user, self.create, BY_KEY, refusal_view=refusal_view),
            Route("PUT", of_user, self.replace, BY_KEY, refusal_view=refusal_view),
            Route("PATCH", of_user, self.change, BY_KEY, refusal_view=refusal_view),
            Route("GET", one, self.read, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", one, self.delete, BY_KEY, refusal_view=refusal_view),
        ]

    async def create(self, call: Call) -> web.Response:
        """Register a user; with `user` in the body one who is made for it."""
        account = await self.tenants.of_key(call, ENDPOINT)
        whole = await call.body(Whole)
        asked = _registration_of(whole)
        application = await self.tenants.application(account, asked.application_id)
        user_id = call.request.match_info.get("user_id")
        if whole.user is not None:
            user = await make_user(account, whole, user_id)
        elif user_id is not None:
            user = await user_of_id(account.native, user_id)
        else:
            raise Invalid([FieldProblem("user", "missing", "must be given")])
        waits = bool(application and application["require_verified_registration"])
        fields = {
            "application_id": str(asked.application_id),
            "id": asked.id,
            "verified": whole.skip_registration_verification or not waits,
            **_fields(asked),
        }
        path = f"/v1/users/{user['id']}/registrations"
        made = await translated(account.native.issuer("POST", path, shapes.without_nulls(fields)), _NAMES)
        return json_response(
            {"user": shapes.user(user, account.app, [made]), "registration": shapes.registration(made)}
        )

    async def read(self, call: Call) -> web.Response:
        """Read a registration."""
        account = await self.tenants.of_key(call, ENDPOINT)
        found = await account.native.issuer(
            "GET", await self._path(account, call, call.path_id("application_id"))
        )
        return json_response({"registration": shapes.registration(found)})

    async def replace(self, call: Call) -> web.Response:
        """Put a whole registration in the place of another."""
        return await self._patched(call, {"roles": [], "username": None, "metadata": {}})

    async def change(self, call: Call) -> web.Response:
        """Change what is given."""
        return await self._patched(call, {})

    async def delete(self, call: Call) -> web.Response:
        """Delete a registration."""
        account = await self.tenants.of_key(call, ENDPOINT)
        path = await self._path(account, call, call.path_id("application_id"))
        # Read first: to the native client a DELETE of what is not there is done.
        await account.native.issuer("GET", path)
        await account.native.issuer("DELETE", path)
        return web.Response(status=200)

    async def _patched(self, call: Call, before: Mapping[str, Any]) -> web.Response:
        account = await self.tenants.of_key(call, ENDPOINT)
        asked = _registration_of(await call.body(Whole))
        path = await self._path(account, call, asked.application_id)
        patching = account.native.issuer("PATCH", path, {**before, **_fields(asked)})
        return json_response({"registration": shapes.registration(await translated(patching, _NAMES))})

    async def _path(self, account: Account, call: Call, application_id: UUID) -> str:
        user = await user_of_id(account.native, call.request.match_info["user_id"])
        return f"/v1/users/{user['id']}/registrations/{application_id}"


def _registration_of(whole: Whole) -> Registration:
    if whole.registration is None:
        raise Invalid([FieldProblem("registration", "missing", "must be given")])
    return validate(Registration, whole.registration, "registration.")


def _fields(asked: Registration) -> dict[str, Any]:
    said = given(asked)
    found = {_COLUMNS[name]: said[name] for name in _COLUMNS if name in said}
    # Only a username can be nothing at all; a list or an object is emptied.
    return {name: value for name, value in found.items() if value is not None or name == "username"}
