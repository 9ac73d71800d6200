"""The end of sessions: revoking refresh tokens, and logout (VENDORS §4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import api_logins as logins
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import Logout, Revoke
from services.compat.fusionauth.errors import refusal_view
from services.compat.fusionauth.people import user_of_id
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from shared.errors import FieldProblem, Invalid, NotFound
from shared.http.routes import Call, Public, Route, json_response, validate

ENDPOINT: Final = "/api/jwt/refresh"
_TOKEN = Public("the refresh token is the proof, checked by the native API")


@dataclass(frozen=True, slots=True)
class SignOutApi:
    """The handlers, and what they need."""

    parts: CompatParts
    tenants: Tenants

    def routes(self) -> list[Route]:
        one = f"{ENDPOINT}/{{id}}"
        return [
            Route("GET", ENDPOINT, self.list, BY_KEY, refusal_view=refusal_view),
            Route("GET", one, self.read, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", ENDPOINT, self.revoke, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", one, self.revoke_one, BY_KEY, refusal_view=refusal_view),
            Route("POST", "/api/logout", self.logout, _TOKEN, refusal_view=refusal_view),
        ]

    async def list(self, call: Call) -> web.Response:
        """List the refresh tokens of a user."""
        account = await self.tenants.of_key(call, ENDPOINT)
        user = await user_of_id(account.native, call.request.query.get("userId", ""))
        found = await account.native.verifier("GET", "/v1/sessions", query={"user_id": user["id"]})
        tokens = [token for one in found["items"] if (token := shapes.refresh_token(one)) is not None]
        return json_response({"refreshTokens": tokens})

    async def read(self, call: Call) -> web.Response:
        """Read a refresh token, without its text."""
        account = await self.tenants.of_key(call, ENDPOINT)
        found = await account.native.verifier("GET", f"/v1/sessions/{call.path_id()}")
        token = shapes.refresh_token(found)
        if token is None:
            raise NotFound
        return json_response({"refreshToken": token})

    async def revoke(self, call: Call) -> web.Response:
        """Revoke one refresh token by its text, or all of a user, of an application, or of a user of an application."""
        account = await self.tenants.of_key(call, ENDPOINT)
        query = dict(call.request.query)
        asked = validate(Revoke, query) if query else await call.body(Revoke)
        if asked.token is not None:
            await _revoke(account, {"refresh_token": asked.token})
            return web.Response(status=200)
        fields: dict[str, Any] = {}
        if asked.user_id is not None:
            fields["user_id"] = (await user_of_id(account.native, asked.user_id))["id"]
        if asked.application_id is not None:
            fields["application_id"] = str(asked.application_id)
        if not fields:
            raise Invalid([FieldProblem("token", "missing", "must be given, or userId, or applicationId")])
        await _revoke(account, fields)
        return web.Response(status=200)

    async def revoke_one(self, call: Call) -> web.Response:
        """Revoke a refresh token by its id."""
        account = await self.tenants.of_key(call, ENDPOINT)
        await _revoke(account, {"session_id": str(call.path_id())})
        return web.Response(status=200)

    async def logout(self, call: Call) -> web.Response:
        """Revoke the refresh token that is given, or the cookie's; with `global` all of its user. Clears the cookies."""
        self.parts.refuse_other_sites(call)
        query = dict(call.request.query)
        if query or not call.request.can_read_body:
            asked = Logout(
                everywhere=query.get("global") == "true", refresh_token=query.get("refreshToken") or None
            )
        else:
            asked = await call.body(Logout)
        token = asked.refresh_token or call.request.cookies.get(logins.REFRESH_COOKIE)
        if token:
            account = await self.tenants.of_nobody(call)
            await _sign_out(account, token, everywhere=asked.everywhere)
        response = web.Response(status=200)
        for name in (logins.ACCESS_COOKIE, logins.REFRESH_COOKIE):
            response.del_cookie(name, path="/")
        return response


async def _revoke(account: Account, fields: Mapping[str, Any]) -> None:
    await account.native.verifier("POST", "/v1/sessions/revoke", dict(fields))


async def _sign_out(account: Account, token: str, *, everywhere: bool) -> None:
    """Revoke what the token opens. One that opens nothing is signed out already."""
    try:
        if everywhere:
            # It is shown, not spent: only a token that is good names its user.
            shown = {"refresh_token": token, "rotate": False}
            user = (await account.native.verifier("POST", "/v1/sessions/refresh", shown))["user"]
            await _revoke(account, {"user_id": user["id"]})
        else:
            await _revoke(account, {"refresh_token": token})
    except NativeRefusal as refusal:
        if refusal.native_code not in ("session_invalid", "refresh_token_invalid"):
            raise
