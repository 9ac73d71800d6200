"""Single sign-on: the code of the redirect becomes a profile and an access token, once (VENDORS §2.4)."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from services.compat.public_keys import for_every_parser, native_keys, rsa_only
from services.compat.workos import callers, shapes
from services.compat.workos.connections import connection_of
from services.compat.workos.errors import UnsupportedGrantType
from services.compat.workos.ids import VENDOR
from services.compat.workos.redeeming import Redemption, redeem
from services.compat.workos.requests import AskedToken, read_asked
from shared.errors import FieldProblem, Invalid, NotFound, Unauthorized
from shared.http.routes import Call, json_response

ACCESS_TOKEN_SECONDS: Final = 3600
_JWKS_SECONDS: Final = 300
_GRANT_TYPES: Final = frozenset({"authorization_code"})


@dataclass(frozen=True, slots=True)
class SingleSignOn:
    """The handlers."""

    parts: CompatParts

    async def token(self, call: Call) -> web.Response:
        """Exchange a code. It is the client's that asked for the link: another client's key finds nothing."""
        asked = await read_asked(call, AskedToken)
        account = await callers.of_client(self.parts.accounts, asked.client_id, asked.client_secret)
        if asked.grant_type not in _GRANT_TYPES:
            raise UnsupportedGrantType
        if asked.code is None:
            raise Invalid([FieldProblem("code", "missing", "is required")])
        wanted = {
            "code": asked.code,
            "code_verifier": asked.code_verifier,
            "jwt": False,
            "session": {"expires_in_seconds": ACCESS_TOKEN_SECONDS},
        }

        async def told(answer: Any) -> dict[str, Any]:
            return {
                "token_type": "Bearer",
                "access_token": f"{account.app.vendor_id}.{answer['session_token']}",
                "expires_in": ACCESS_TOKEN_SECONDS,
                "profile": await _profile(account, answer["user"]),
            }

        redemption = Redemption(asked.code, "/v1/grants/exchange", wanted, told)
        return json_response(await redeem(self.parts, call, account, redemption))

    async def profile(self, call: Call) -> web.Response:
        """Read the profile that an access token stands for."""
        # A token is `<client id>.<native session token>`: the call has no other name of the app.
        client_id, _, session_token = callers.bearer(call).rpartition(".")
        account = await self.parts.accounts.of_vendor_id(VENDOR, client_id)
        if account is None:
            raise Unauthorized
        try:
            path, body = "/v1/sessions/authenticate", {"session_token": session_token}
            answer = await account.native.verifier("POST", path, body)
        except NativeRefusal as refusal:
            if refusal.native_code in ("session_invalid", "invalid_request"):
                raise Unauthorized from None
            raise
        return json_response(await _profile(account, answer["user"]))

    async def jwks(self, call: Call) -> web.Response:
        """Answer the public keys that the client's access tokens are verified with: RSA alone, the SDKs read no other."""
        account = await self.parts.accounts.of_vendor_id(VENDOR, call.request.match_info["client_id"])
        if account is None:
            raise NotFound
        keys = for_every_parser(rsa_only(await native_keys(account.native)))
        return json_response({"keys": keys}, headers={"Cache-Control": f"public, max-age={_JWKS_SECONDS}"})


async def _profile(account: Account, user: dict[str, Any]) -> dict[str, Any]:
    # Who came by a magic link has an address, unless somebody took it away meanwhile.
    if not user["email"]:
        raise Unauthorized
    return shapes.profile(user, await connection_of(account, user["email"]))
