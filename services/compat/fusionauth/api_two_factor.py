"""The second factor: completing a login with one, and switching it on and off (VENDORS §4.3). The only method is the authenticator (TOTP)."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import api_logins as logins
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import (
    TwoFactorDisable,
    TwoFactorEnable,
    TwoFactorLogin,
    TwoFactorSend,
    TwoFactorStart,
)
from services.compat.fusionauth.errors import invalid, refusal_view, translated
from services.compat.fusionauth.people import user_of_id, user_of_login
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from services.compat.native import NativeRefusal, segment
from services.compat.parts import CompatParts
from shared.errors import FieldProblem, Invalid, NotFound
from shared.http.routes import Call, Public, Route, json_response, validate

OF_USER: Final = "/api/user/two-factor"
_CHALLENGE = Public("the challenge and its code are the proof, checked by the native API")
_SECRET_BYTES: Final = 20  # RFC 4226 §4: 160 bits


@dataclass(frozen=True, slots=True)
class TwoFactorApi:
    """The handlers, and what they need."""

    parts: CompatParts
    tenants: Tenants

    def routes(self) -> list[Route]:
        of_user = f"{OF_USER}/{{user_id}}"
        return [
            Route("POST", "/api/two-factor/login", self.login, _CHALLENGE, refusal_view=refusal_view),
            Route("POST", "/api/two-factor/start", self.start, BY_KEY, refusal_view=refusal_view),
            Route("POST", "/api/two-factor/send/{id}", self.send, _CHALLENGE, refusal_view=refusal_view),
            Route("GET", "/api/two-factor/secret", self.secret, BY_KEY, refusal_view=refusal_view),
            Route("POST", of_user, self.enable, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", of_user, self.disable, BY_KEY, refusal_view=refusal_view),
        ]

    async def login(self, call: Call) -> web.Response:
        """Complete a login that waits for its second factor."""
        self.parts.refuse_other_sites(call)
        asked = await call.body(TwoFactorLogin)
        account = await self.tenants.of_nobody(call, asked.application_id)
        application = await self.tenants.application(account, asked.application_id)
        body = logins.wanted(call, asked, application)
        if application is None:
            # What the first call asked for goes on.
            body.pop("session", None)
        body |= {"challenge": asked.two_factor_id, "code": asked.code, "trust_device": asked.trust_computer}

        async def ask(key: str) -> logins.Done:
            verifying = account.native.verifier("POST", "/v1/second-factors/verify", body, key=key)
            answer = await translated(verifying, logins.NAMES)
            return logins.Done(answer) if asked.no_jwt else await logins.finish(account, answer)

        secret = f"{asked.two_factor_id}:{asked.code}"
        try:
            done = await self.parts.attempts.redeem(account.app.id, secret, ask)
        except NativeRefusal as refusal:
            response = logins.unfinished(account, refusal)
            if response is None:
                raise
            return response
        registered = application is None or done.answer.get("registration") is not None
        return await logins.login_response(account, done, registered=registered, secure=self.parts.is_https)

    async def start(self, call: Call) -> web.Response:
        """Ask for a second factor without a login before it."""
        account = await self.tenants.of_key(call, "/api/two-factor/start")
        asked = await call.body(TwoFactorStart)
        user = await _who(account, asked)
        body = shapes.without_nulls({"user_id": user["id"], "application_id": asked.application_id})
        challenging = account.native.verifier("POST", "/v1/second-factors/challenge", body)
        found = await translated(challenging, {"user_id": "userId", "application_id": "applicationId"})
        methods = [shapes.method(factor) for factor in found["methods"]]
        return json_response({"twoFactorId": found["challenge"], "methods": methods})

    async def send(self, call: Call) -> web.Response:
        """Refuse to send a code: an authenticator makes its own."""
        await call.body(TwoFactorSend)
        raise invalid(
            "methodId", "names no method that a code can be sent by: authenticators make their own."
        )

    async def secret(self, call: Call) -> web.Response:
        """Make a secret to switch an authenticator on with; nothing is kept."""
        await self.tenants.of_key(call, "/api/two-factor/secret")
        secret = secrets.token_bytes(_SECRET_BYTES)
        return json_response(
            {
                "secret": base64.b64encode(secret).decode(),
                "secretBase32Encoded": base64.b32encode(secret).decode(),
            }
        )

    async def enable(self, call: Call) -> web.Response:
        """Switch an authenticator on for a user, who shows a code of it."""
        account = await self.tenants.of_key(call, OF_USER)
        asked = await call.body(TwoFactorEnable)
        if asked.method != "authenticator":
            raise invalid("method", "must be `authenticator`.")
        user = await user_of_id(account.native, call.request.match_info["user_id"])
        body = {"type": "totp", "secret": _base32(asked), "code": asked.code}
        path = f"/v1/users/{user['id']}/second-factors"
        await translated(account.native.verifier("POST", path, body), {"secret": "secret", "code": "code"})
        return json_response({"recoveryCodes": []})

    async def disable(self, call: Call) -> web.Response:
        """Switch an authenticator off for a user, who shows a code of it."""
        account = await self.tenants.of_key(call, OF_USER)
        asked = validate(TwoFactorDisable, dict(call.request.query)) if call.request.query else None
        asked = asked or await call.body(TwoFactorDisable)
        user = await user_of_id(account.native, call.request.match_info["user_id"])
        verifier = account.native.verifier
        started = await translated(
            verifier("POST", "/v1/second-factors/challenge", {"user_id": user["id"]}), {"user_id": "userId"}
        )
        if asked.method_id not in {str(factor["id"]) for factor in started["methods"]}:
            raise invalid("methodId")
        proof: dict[str, Any] = {"challenge": started["challenge"], "code": asked.code, "jwt": False}
        await verifier("POST", "/v1/second-factors/verify", proof)
        path = f"/v1/users/{user['id']}/second-factors/{segment(asked.method_id)}"
        await verifier("DELETE", path)
        return web.Response(status=200)


async def _who(account: Account, asked: TwoFactorStart) -> dict[str, Any]:
    if asked.user_id is not None:
        return await user_of_id(account.native, asked.user_id)
    if asked.login_id is None:
        raise Invalid([FieldProblem("userId", "missing", "must be given")])
    user = await user_of_login(account.native, asked.login_id)
    if user is None:
        raise NotFound
    return user


def _base32(asked: TwoFactorEnable) -> str:
    """Return the secret as the native API takes it; `secret` alone is in Base64."""
    if asked.secret_base32_encoded is not None:
        return asked.secret_base32_encoded
    if asked.secret is None:
        raise Invalid([FieldProblem("secret", "missing", "must be given")])
    try:
        secret = base64.b64decode(asked.secret, validate=True)
    except binascii.Error:
        raise invalid("secret", "must be Base64.") from None
    return base64.b32encode(secret).decode()
