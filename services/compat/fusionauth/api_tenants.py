"""The tenant: how its codes are made and how long they live, which are settings of the native app (VENDORS §4.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account, Accounts, VendorApp
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import Tenant, Whole, given
from services.compat.fusionauth.errors import refusal_view, translated
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from shared.errors import FieldProblem, Invalid, NotFound
from shared.http.routes import Call, Route, json_response, validate

ENDPOINT: Final = "/api/tenant"
_IDENTIFIERS: Final = "tenant.externalIdentifierConfiguration"
_NAMES: Final[Mapping[str, str]] = {
    "name": "tenant.name",
    "passcode_strategy": f"{_IDENTIFIERS}.passwordlessLoginGenerator.type",
    "passcode_length": f"{_IDENTIFIERS}.passwordlessLoginGenerator.length",
    "ttl_seconds": f"{_IDENTIFIERS}.passwordlessLoginTimeToLiveInSeconds",
    "session_seconds": "tenant.jwtConfiguration.refreshTokenTimeToLiveInMinutes",
    "vendor_settings": "tenant.jwtConfiguration",
}


@dataclass(frozen=True, slots=True)
class TenantsApi:
    """The handlers, and what they need."""

    accounts: Accounts
    tenants: Tenants

    def routes(self) -> list[Route]:
        one = f"{ENDPOINT}/{{id}}"
        return [
            Route("GET", ENDPOINT, self.list, BY_KEY, refusal_view=refusal_view),
            Route("GET", one, self.read, BY_KEY, refusal_view=refusal_view),
            Route("PATCH", one, self.change, BY_KEY, refusal_view=refusal_view),
        ]

    async def list(self, call: Call) -> web.Response:
        """List the key's tenant, the only one that it sees."""
        account = await self.tenants.of_key(call, ENDPOINT)
        return json_response({"tenants": [shapes.tenant(account.app)]})

    async def read(self, call: Call) -> web.Response:
        """Read the tenant."""
        return json_response({"tenant": shapes.tenant((await self._own(call)).app)})

    async def change(self, call: Call) -> web.Response:
        """Change what is given. The key needs the native scope `apps:write`."""
        account = await self._own(call)
        whole = await call.body(Whole)
        if whole.tenant is None:
            raise Invalid([FieldProblem("tenant", "missing", "must be given")])
        asked = validate(Tenant, whole.tenant, "tenant.")
        path = f"/v1/apps/{account.app.id}"
        changing = account.native.issuer("PATCH", path, _settings(asked, account.app))
        changed = VendorApp.of(await translated(changing, _NAMES))
        self.accounts.forget()
        return json_response({"tenant": shapes.tenant(changed)})

    async def _own(self, call: Call) -> Account:
        account = await self.tenants.of_key(call, ENDPOINT)
        # Another tenant is for this key as if it were not there.
        if call.request.match_info["id"].lower() != account.app.vendor_id.lower():
            raise NotFound
        return account


def _settings(asked: Tenant, app: VendorApp) -> dict[str, Any]:
    """Return the native settings of what the request gives."""
    codes = asked.external_identifier_configuration
    generator = codes.passwordless_login_generator if codes else None
    jwts = asked.jwt_configuration
    minutes = jwts.refresh_token_time_to_live_in_minutes if jwts else None
    own = dict(given(jwts)) if jwts else {}
    kept = shapes.without_nulls(
        {
            "jwt_ttl_seconds": own.get("time_to_live_in_seconds"),
            "refresh_token_usage_policy": own.get("refresh_token_usage_policy"),
        }
    )
    return shapes.without_nulls(
        {
            "name": asked.name,
            "passcode_strategy": generator and generator.type and shapes.GENERATORS[generator.type],
            "passcode_length": generator and generator.length,
            "ttl_seconds": codes and codes.passwordless_login_time_to_live_in_seconds,
            "session_seconds": None if minutes is None else minutes * 60,
            "vendor_settings": {**app.vendor_settings, **kept} if kept else None,
        }
    )
