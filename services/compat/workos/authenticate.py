"""`POST /user_management/authenticate`: by the code of a Magic Auth, by refresh token, by a second factor (VENDORS §2.5)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.parts import CompatParts
from services.compat.workos import callers, shapes
from services.compat.workos.errors import UnsupportedGrantType
from services.compat.workos.redeeming import Redemption, redeem
from services.compat.workos.requests import (
    AskedAuthentication,
    AskedByCode,
    AskedByRefreshToken,
    AskedBySecondFactor,
    AskedRevocation,
    read_asked,
    read_object,
    step_key,
)
from shared.errors import NotFound
from shared.http.routes import Call, json_response, validate
from shared.public_ids import parse_id

_SESSION: Final = {"refresh": True}


@dataclass(frozen=True, slots=True)
class Grant:
    """One exchange: the call it is made by, whose it is, and what was asked for."""

    call: Call
    account: Account
    body: Any


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The handlers."""

    parts: CompatParts

    async def authenticate(self, call: Call) -> web.Response:
        """Exchange one of the grants for a session's tokens."""
        body = await read_object(call)
        asked = validate(AskedAuthentication, body)
        account = await callers.of_client(self.parts.accounts, asked.client_id, asked.client_secret)
        exchange = _GRANTS.get(asked.grant_type)
        if exchange is None:
            raise UnsupportedGrantType
        return json_response(await exchange(self, Grant(call, account, body)))

    async def revoke(self, call: Call) -> web.Response:
        """Revoke the session that an access token's `sid` names."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = await read_asked(call, AskedRevocation)
        session_id = parse_id("{uuid}", asked.session_id)
        if session_id is None:
            raise NotFound
        body = {"session_id": session_id}
        await account.native.verifier("POST", "/v1/sessions/revoke", body, key=step_key(call, "revoke"))
        return web.Response(status=200)

    async def by_code(self, grant: Grant) -> dict[str, Any]:
        asked = validate(AskedByCode, grant.body)
        wanted = _login(asked) | {"passcode": asked.code, "email": asked.email}
        secret = f"{asked.email}:{asked.code}"
        return await self._redeem(grant, Redemption(secret, "/v1/passcodes/verify", wanted, _signed_in))

    async def by_second_factor(self, grant: Grant) -> dict[str, Any]:
        asked = validate(AskedBySecondFactor, grant.body)
        challenge = asked.pending_authentication_token
        wanted = {"challenge": challenge, "code": asked.code, "jwt": True, "session": _SESSION}
        return await self._redeem(
            grant, Redemption(challenge, "/v1/second-factors/verify", wanted, _signed_in)
        )

    async def by_refresh_token(self, grant: Grant) -> dict[str, Any]:
        asked = validate(AskedByRefreshToken, grant.body)
        wanted = {"refresh_token": asked.refresh_token, "rotate": True}

        async def signed(answer: Any) -> dict[str, Any]:
            path = f"/v1/sessions/{answer['session']['id']}/jwt"
            found = await grant.account.native.verifier("POST", path, {"jwt_claims": {}})
            return await _signed_in(answer | found)

        return await self._redeem(
            grant, Redemption(asked.refresh_token, "/v1/sessions/refresh", wanted, signed)
        )

    async def _redeem(self, grant: Grant, wanted: Redemption) -> dict[str, Any]:
        return await redeem(self.parts, grant.call, grant.account, wanted)


async def _signed_in(answer: Any) -> dict[str, Any]:
    return shapes.authentication(answer["user"], answer["jwt"], answer["refresh_token"])


def _login(asked: AskedAuthentication) -> dict[str, Any]:
    return {"jwt": True, "session": _SESSION, "client": asked.client}


_GRANTS: Final[Mapping[str, Callable[[Authenticate, Grant], Awaitable[dict[str, Any]]]]] = {
    "urn:workos:oauth:grant-type:magic-auth:code": Authenticate.by_code,
    "urn:workos:oauth:grant-type:magic-auth": Authenticate.by_code,
    "urn:workos:oauth:grant-type:mfa-totp": Authenticate.by_second_factor,
    "refresh_token": Authenticate.by_refresh_token,
}
