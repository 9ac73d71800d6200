"""What completes a login: the native answer as FusionAuth's, with its statuses, its JWT and its cookies (VENDORS §4.3).

A login is finished only when its JWT is signed: both native calls are one attempt (`Attempts`), so that an outage between them burns nothing.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account, VendorApp
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import Device, Proof
from services.compat.headers import browser_client
from services.compat.native import NativeRefusal
from shared.http.routes import Call, json_response

TRUST_COOKIE: Final = "fusionauth.trust"
ACCESS_COOKIE: Final = "access_token"
REFRESH_COOKIE: Final = "refresh_token"
NAMES: Final[Mapping[str, str]] = {
    "client.ip": "ipAddress",
    "client": "ipAddress",
    "session": "metaData.device",
    "application_id": "applicationId",
    "passcode": "code",
    "challenge": "twoFactorId",
}
"""FusionAuth's names of what the native redemption may find wrong."""

_NOT_REGISTERED: Final = 202
_PASSWORD_CHANGE: Final = 203
_UNVERIFIED: Final[Mapping[str, int]] = {"address_unverified": 212, "registration_unverified": 213}
_SECOND_FACTOR: Final = 242
_SUSPENDED: Final = 409


@dataclass(frozen=True, slots=True, repr=False)
class Done:
    """A login that is finished: the native answer, and its JWT unless none was wanted."""

    answer: Mapping[str, Any]
    jwt: Mapping[str, Any] | None = None


def wanted(call: Call, asked: Proof, application: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a native redemption is asked for. The JWT is signed apart, once its user is known."""
    told = {"ip": asked.ip_address} if asked.ip_address else {}
    device = asked.meta_data.device if asked.meta_data else None
    return shapes.without_nulls(
        {
            "application_id": application and application["id"],
            "client": {**browser_client(call), **told},
            "jwt": False,
            "session": None if asked.no_jwt else session_wanted(application, device),
        }
    )


def session_wanted(application: Mapping[str, Any] | None, device: Device | None = None) -> dict[str, Any]:
    """Return the native session of a login. Refresh tokens are the application's to give; what is said of them is kept with the session."""
    if not (application and application["refresh_tokens"]):
        return {"refresh": False}
    about = {} if device is None else device.model_dump(exclude_none=True)
    return {"refresh": True, "claims": {shapes.KEPT_WITH_SESSION: {"device": about}}}


async def sign_jwt(
    account: Account,
    answer: Mapping[str, Any],
    registration: Mapping[str, Any] | None,
    seconds: int | None = None,
) -> Mapping[str, Any]:
    """Sign the JWT of a session: `{"jwt", "jwt_expires_at"}`.

    Only a registration puts `applicationId` and `roles` in it: whoever is not registered holds a JWT that says so.
    """
    session, user = answer["session"], answer["user"]
    claims = {
        "authenticationType": "PASSWORDLESS",
        "tid": account.app.vendor_id,
        "email": user["email"],
        "email_verified": user["email_verified"] if user["email"] else None,
        "preferred_username": user["username"],
        "applicationId": registration and registration["application_id"],
        "roles": registration and registration["roles"],
    }
    body = {
        "jwt_claims": shapes.without_nulls(claims),
        "ttl_seconds": seconds or shapes.jwt_seconds(account.app),
        "audience": session["application_id"],
    }
    signed: Mapping[str, Any] = await account.native.verifier(
        "POST", f"/v1/sessions/{session['id']}/jwt", shapes.without_nulls(body)
    )
    return signed


async def finish(account: Account, answer: Mapping[str, Any]) -> Done:
    """Sign the JWT of a native redemption that started a session; one without stays without."""
    if answer.get("session") is None:
        return Done(answer)
    return Done(answer, await sign_jwt(account, answer, answer.get("registration")))


async def login_body(account: Account, done: Done) -> dict[str, Any]:
    """Return the body of a login that succeeded."""
    answer, user = done.answer, done.answer["user"]
    registration = answer.get("registration")
    factors = await factors_of(account, user) if user["has_second_factor"] else []
    found = {
        # A code without a link keeps its state with its metadata.
        "state": answer.get("state") or answer["metadata"].get("state"),
        "twoFactorTrustId": answer.get("trust_token"),
        "user": shapes.user(user, account.app, [registration] if registration else [], factors),
    }
    if done.jwt is not None:
        has_refresh_token = answer.get("refresh_token") is not None
        found |= {
            "token": done.jwt["jwt"],
            "tokenExpirationInstant": shapes.instant(done.jwt["jwt_expires_at"]),
            "refreshToken": answer.get("refresh_token"),
            "refreshTokenId": answer["session"]["id"] if has_refresh_token else None,
        }
    return shapes.without_nulls(found)


async def factors_of(account: Account, user: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the second factors of a user that are in force."""
    found = await account.native.verifier("GET", f"/v1/users/{user['id']}/second-factors")
    return [factor for factor in found["items"] if factor["confirmed_at"] is not None]


async def login_response(account: Account, done: Done, *, registered: bool, secure: bool) -> web.Response:
    """Answer a login that succeeded: 200, or 202 for a user who is not `registered` for the application they asked for."""
    body = await login_body(account, done)
    response = json_response(body, 200 if registered else _NOT_REGISTERED)
    set_cookies(response, account.app, done, secure=secure)
    return response


def set_cookies(response: web.Response, app: VendorApp, done: Done, *, secure: bool) -> None:
    """Write what FusionAuth writes to the browser as well: the JWT for the visit, the refresh token and the trust for their lives."""
    if done.jwt is not None:
        set_cookie(response, ACCESS_COOKIE, done.jwt["jwt"], secure=secure)
        if (token := done.answer.get("refresh_token")) is not None:
            set_cookie(
                response, REFRESH_COOKIE, token, secure=secure, max_age=app.settings["session_seconds"]
            )
    if (trust := done.answer.get("trust_token")) is not None:
        set_cookie(response, TRUST_COOKIE, trust, secure=secure, max_age=app.settings["trust_seconds"])


def set_cookie(
    response: web.Response, name: str, value: str, *, secure: bool, max_age: int | None = None
) -> None:
    """Set a cookie that no script reads and no other site's POST carries."""
    response.set_cookie(name, value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="Lax")


def unfinished(account: Account, refusal: NativeRefusal) -> web.Response | None:
    """Answer a redemption that was right and is not enough, or that an action prevents. None: it is another refusal."""
    members, code = refusal.members, refusal.native_code
    if code == "second_factor_required":
        methods = [shapes.method(factor) for factor in members["methods"]]
        return json_response({"twoFactorId": members["challenge"], "methods": methods}, _SECOND_FACTOR)
    if code == "password_change_required":
        # There are no passwords here, so nothing is kept under this id: the flag is taken away by `PATCH /api/user/{id}`.
        body = {"changePasswordId": secrets.token_urlsafe(32), "changePasswordReason": "Administrative"}
        return json_response(body, _PASSWORD_CHANGE)
    if code in _UNVERIFIED:
        registration = members.get("registration")
        user = shapes.user(members["user"], account.app, [registration] if registration else [])
        return json_response({"user": user}, _UNVERIFIED[str(code)])
    if code == "user_suspended":
        return json_response({"actions": [shapes.preventing_action(members)]}, _SUSPENDED)
    return None
