"""JWTs and refresh tokens: validate, refresh, revoke, public keys, logout (VENDORS §4.3). A refresh token is a native session's."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import jwt as pyjwt
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.compat.accounts import Account
from services.compat.fusionauth import api_logins as logins
from services.compat.fusionauth.bodies import Refresh
from services.compat.fusionauth.errors import invalid, refusal_view, translated
from services.compat.fusionauth.tenants import Tenants
from services.compat.headers import bearer
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from services.compat.public_keys import for_every_parser, native_keys
from shared.errors import NotFound, Unauthorized
from shared.http.routes import Call, Public, Route, json_response

_TOKEN = Public("the token is the proof, checked by the native API")
_KEYS = Public("public keys are for everybody")


@dataclass(frozen=True, slots=True)
class JwtsApi:
    """The handlers, and what they need."""

    parts: CompatParts
    tenants: Tenants

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/api/jwt/validate", self.validate, _TOKEN, refusal_view=refusal_view),
            Route("POST", "/api/jwt/refresh", self.refresh, _TOKEN, refusal_view=refusal_view),
            Route("GET", "/api/jwt/public-key", self.public_key, _KEYS, refusal_view=refusal_view),
            Route("GET", "/.well-known/jwks.json", self.key_set, _KEYS, refusal_view=refusal_view),
        ]

    async def validate(self, call: Call) -> web.Response:
        """Say what a JWT of ours says, that is neither late nor of a session that is over."""
        text = bearer(call, ("bearer", "jwt")) or call.request.cookies.get(logins.ACCESS_COOKIE)
        if not text:
            raise Unauthorized
        account = await self.tenants.of_nobody(call, audience_of(text))
        found = await account.native.verifier("POST", "/v1/jwts/introspect", {"jwt": text})
        if not found["active"]:
            raise Unauthorized
        return json_response({"jwt": found["claims"]})

    async def refresh(self, call: Call) -> web.Response:
        """Sign a new JWT for a refresh token, which is exchanged for a new one where the tenant has it so."""
        self.parts.refuse_other_sites(call)
        asked = await call.body(Refresh)
        token = asked.refresh_token or call.request.cookies.get(logins.REFRESH_COOKIE)
        if not token:
            raise invalid("refreshToken", "must be given.")
        account = await self.tenants.of_nobody(call, audience_of(asked.token or ""))
        rotate = account.app.vendor_settings.get("refresh_token_usage_policy") == "OneTimeUse"

        async def ask(key: str) -> logins.Done:
            body = {"refresh_token": token, "rotate": rotate}
            answer = await account.native.verifier("POST", "/v1/sessions/refresh", body, key=key)
            registration = await _registration(account, answer["session"])
            signing = logins.sign_jwt(account, answer, registration, asked.time_to_live_in_seconds)
            return logins.Done(answer, await translated(signing, {"ttl_seconds": "timeToLiveInSeconds"}))

        # A token that is not used up by its use needs no attempt to go on with.
        done = await (self.parts.attempts.redeem(account.app.id, token, ask) if rotate else ask(str(uuid4())))
        response = json_response(_refreshed(done))
        logins.set_cookies(response, account.app, done, secure=self.parts.is_https)
        return response

    async def public_key(self, call: Call) -> web.Response:
        """Tell public keys as PEM: all, one by `kid`, or an application's by `applicationId`."""
        keys, query = await self._keys(), call.request.query
        if "kid" in query:
            return json_response({"publicKey": _pem(_first(keys, "kid", query["kid"]))})
        if "applicationId" in query:
            application_id = _uuid(query["applicationId"])
            account = (
                await self.parts.accounts.of_application("fusionauth", application_id)
                if application_id
                else None
            )
            if account is None:
                raise NotFound
            return json_response(
                {"publicKey": _pem(_first(keys, "alg", account.app.settings["jwt_algorithm"]))}
            )
        return json_response({"publicKeys": {key["kid"]: _pem(key) for key in keys}})

    async def key_set(self, _call: Call) -> web.Response:
        """Tell the public keys as a JWKS (RFC 7517)."""
        return json_response({"keys": for_every_parser(await self._keys())})

    async def _keys(self) -> list[dict[str, Any]]:
        return await native_keys(self.parts.native.with_key(self.parts.native.own_key))


def audience_of(text: str) -> UUID | None:
    """Return the application that a JWT claims to be for. Nothing is verified: it only says which tenant to ask about it."""
    try:
        claims = pyjwt.decode(text, options={"verify_signature": False})
    except pyjwt.InvalidTokenError:
        return None
    return _uuid(claims.get("aud"))


async def _registration(account: Account, session: dict[str, Any]) -> dict[str, Any] | None:
    if session["application_id"] is None:
        return None
    path = f"/v1/users/{session['user_id']}/registrations/{session['application_id']}"
    try:
        found: dict[str, Any] = await account.native.issuer("GET", path)
    except NativeRefusal as refusal:
        if refusal.native_code == "not_found":
            return None
        raise
    return found


def _refreshed(done: logins.Done) -> dict[str, Any]:
    signed = done.jwt or {}
    return {
        "token": signed["jwt"],
        "refreshToken": done.answer["refresh_token"],
        "refreshTokenId": done.answer["session"]["id"],
    }


def _pem(key: dict[str, Any]) -> str:
    """Return a key as PEM (RFC 7468 §13)."""
    public = pyjwt.PyJWK(key).key
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _first(keys: list[dict[str, Any]], member: str, value: str) -> dict[str, Any]:
    for key in keys:
        if key[member] == value:
            return key
    raise NotFound


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
