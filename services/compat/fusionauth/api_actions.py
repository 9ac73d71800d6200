"""Actions that keep a user from signing in: a native suspension, of which a user has one at most (VENDORS §4.2, the 409 of a login)."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import Action, Whole
from services.compat.fusionauth.errors import invalid, refusal_view, translated
from services.compat.fusionauth.people import user_of_id
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from shared.errors import FieldProblem, Invalid, NotFound
from shared.http.routes import Call, Route, json_response, validate

ENDPOINT: Final = "/api/user/action"
_SUSPENDED: Final = "suspended"


@dataclass(frozen=True, slots=True)
class ActionsApi:
    """The handlers, and what they need."""

    tenants: Tenants

    def routes(self) -> list[Route]:
        one = f"{ENDPOINT}/{{id}}"
        return [
            Route("POST", ENDPOINT, self.take, BY_KEY, refusal_view=refusal_view),
            Route("GET", ENDPOINT, self.list, BY_KEY, refusal_view=refusal_view),
            Route("GET", one, self.read, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", one, self.cancel, BY_KEY, refusal_view=refusal_view),
        ]

    async def take(self, call: Call) -> web.Response:
        """Keep a user from signing in until `expiry`, or until it is cancelled."""
        account = await self.tenants.of_key(call, ENDPOINT)
        whole = await call.body(Whole)
        if whole.action is None:
            raise Invalid([FieldProblem("action", "missing", "must be given")])
        asked = validate(Action, whole.action, "action.")
        try:
            until = shapes.moment(asked.expiry)
        except OverflowError:
            raise invalid(
                "action.expiry", "must be milliseconds since 1970, before the year 10000."
            ) from None
        user = await user_of_id(account.native, asked.actionee_user_id)
        fields = {"status": _SUSPENDED, "status_reason": asked.comment, "suspended_until": until}
        return await self._patched(account, user, fields)

    async def list(self, call: Call) -> web.Response:
        """List the actions of a user."""
        account = await self.tenants.of_key(call, ENDPOINT)
        user = await user_of_id(account.native, call.request.query.get("userId", ""))
        actions = [shapes.action(user)] if user["status"] == _SUSPENDED else []
        return json_response({"actions": actions})

    async def read(self, call: Call) -> web.Response:
        """Read an action."""
        account = await self.tenants.of_key(call, ENDPOINT)
        return json_response({"action": shapes.action(await self._suspended(account, call))})

    async def cancel(self, call: Call) -> web.Response:
        """Let a user sign in again."""
        account = await self.tenants.of_key(call, ENDPOINT)
        user = await self._suspended(account, call)
        return await self._patched(
            account, user, {"status": "active", "status_reason": None, "suspended_until": None}
        )

    async def _suspended(self, account: Account, call: Call) -> dict[str, Any]:
        user = await user_of_id(account.native, call.request.match_info["id"])
        if user["status"] != _SUSPENDED:
            raise NotFound
        return user

    async def _patched(self, account: Account, user: dict[str, Any], fields: dict[str, Any]) -> web.Response:
        names = {"suspended_until": "action.expiry", "status_reason": "action.comment"}
        changed = await translated(account.native.issuer("PATCH", f"/v1/users/{user['id']}", fields), names)
        return json_response({"action": shapes.action(changed)})
