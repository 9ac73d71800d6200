"""Applications: what a tenant's users sign in to (VENDORS §4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import Application, Whole, given
from services.compat.fusionauth.errors import invalid, refusal_view, translated
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from shared.errors import FieldProblem, Invalid
from shared.http.routes import Call, Route, json_response, validate
from shared.public_ids import DEFAULT_FORMAT, parse_id

ENDPOINT: Final = "/api/application"
_NAMES: Final[Mapping[str, str]] = {
    "id": "applicationId",
    "name": "application.name",
    "roles": "application.roles",
    "metadata": "application.data",
}


@dataclass(frozen=True, slots=True)
class ApplicationsApi:
    """The handlers, and what they need."""

    tenants: Tenants

    def routes(self) -> list[Route]:
        one = f"{ENDPOINT}/{{id}}"
        return [
            Route("POST", ENDPOINT, self.create, BY_KEY, refusal_view=refusal_view),
            Route("GET", ENDPOINT, self.list, BY_KEY, refusal_view=refusal_view),
            Route("POST", one, self.create, BY_KEY, refusal_view=refusal_view),
            Route("GET", one, self.read, BY_KEY, refusal_view=refusal_view),
            Route("PUT", one, self.replace, BY_KEY, refusal_view=refusal_view),
            Route("PATCH", one, self.change, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", one, self.delete, BY_KEY, refusal_view=refusal_view),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make an application."""
        account = await self.tenants.of_key(call, ENDPOINT)
        fields = _fields(_application_of(await call.body(Whole)))
        own_id = call.request.match_info.get("id")
        if own_id is not None:
            if parse_id(DEFAULT_FORMAT, own_id.lower()) is None:
                raise invalid("applicationId", "must be a UUID.")
            fields["id"] = own_id.lower()
        made = await translated(account.native.issuer("POST", "/v1/applications", fields), _NAMES)
        return json_response({"application": shapes.application(made, account.app)})

    async def list(self, call: Call) -> web.Response:
        """List the tenant's applications."""
        account = await self.tenants.of_key(call, ENDPOINT)
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await account.native.issuer(
                "GET", "/v1/applications", query={"cursor": cursor, "limit": "100"}
            )
            found += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
        return json_response({"applications": [shapes.application(one, account.app) for one in found]})

    async def read(self, call: Call) -> web.Response:
        """Read an application."""
        account = await self.tenants.of_key(call, ENDPOINT)
        found = await account.native.issuer("GET", f"/v1/applications/{call.path_id()}")
        return json_response({"application": shapes.application(found, account.app)})

    async def replace(self, call: Call) -> web.Response:
        """Put a whole application in the place of another, or reactivate one (`?reactivate=true`)."""
        account = await self.tenants.of_key(call, ENDPOINT)
        if call.request.query.get("reactivate") == "true":
            return await self._patched(account, call, {"active": True})
        empty = {"roles": [], "refresh_tokens": False, "require_verified_registration": False, "metadata": {}}
        fields = _fields(_application_of(await call.body(Whole)))
        return await self._patched(account, call, {**empty, **fields})

    async def change(self, call: Call) -> web.Response:
        """Change what is given."""
        account = await self.tenants.of_key(call, ENDPOINT)
        return await self._patched(account, call, _fields(_application_of(await call.body(Whole))))

    async def delete(self, call: Call) -> web.Response:
        """Deactivate an application, or delete it for good (`?hardDelete=true`)."""
        account = await self.tenants.of_key(call, ENDPOINT)
        path = f"/v1/applications/{call.path_id()}"
        if call.request.query.get("hardDelete") == "true":
            # Read first: to the native client a DELETE of what is not there is done.
            await account.native.issuer("GET", path)
            await account.native.issuer("DELETE", path)
        else:
            await account.native.issuer("PATCH", path, {"active": False})
        self.tenants.forget()
        return web.Response(status=200)

    async def _patched(self, account: Account, call: Call, fields: Mapping[str, Any]) -> web.Response:
        patching = account.native.issuer("PATCH", f"/v1/applications/{call.path_id()}", dict(fields))
        changed = await translated(patching, _NAMES)
        self.tenants.forget()
        return json_response({"application": shapes.application(changed, account.app)})


def _application_of(whole: Whole) -> Application:
    if whole.application is None:
        raise Invalid([FieldProblem("application", "missing", "must be given")])
    return validate(Application, whole.application, "application.")


def _fields(asked: Application) -> dict[str, Any]:
    said = given(asked)
    login = said.get("login_configuration")
    roles = said.get("roles")
    return shapes.without_nulls(
        {
            "name": said.get("name"),
            "active": said.get("active"),
            "roles": None if roles is None else [role.name for role in roles],
            "refresh_tokens": login and login.generate_refresh_tokens,
            "require_verified_registration": said.get("verify_registration"),
            "metadata": said.get("data"),
        }
    )
