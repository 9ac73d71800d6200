"""Native views as FusionAuth's objects (VENDORS §4, the seed's examples). What is null FusionAuth leaves out, and so does this."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from services.compat.accounts import VendorApp

View = Mapping[str, Any]

# How a user's names are called in OpenID Connect, which the native profile follows.
PROFILE: Final[Mapping[str, str]] = {
    "first_name": "given_name",
    "last_name": "family_name",
    "middle_name": "middle_name",
    "full_name": "name",
    "image_url": "picture",
    "birth_date": "birthdate",
    "timezone": "zoneinfo",
    "mobile_phone": "phone_number",
    "preferred_languages": "preferred_languages",
}
GENERATORS: Final[Mapping[str, str]] = {
    "randomAlpha": "letters",
    "randomAlphaNumeric": "alphanumeric",
    "randomBytes": "bytes",
    "randomDigits": "digits",
}
_GENERATORS_BACK: Final = {native: theirs for theirs, native in GENERATORS.items()}
_AUTHENTICATOR: Final = {"algorithm": "HmacSHA1", "codeLength": 6, "timeStep": 30}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_JWT_SECONDS: Final = 3600
KEPT_WITH_SESSION: Final = "refresh_token"
"""Under this claim a native session keeps what FusionAuth calls the `metaData` of a refresh token; without it, it has none."""


def without_nulls(value: View) -> dict[str, Any]:
    """Return the members that have a value."""
    return {name: found for name, found in value.items() if found is not None}


def instant(text: str | None) -> int | None:
    """Return an RFC 3339 text as milliseconds since 1970."""
    if text is None:
        return None
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int | None) -> str | None:
    """Return milliseconds since 1970 as an RFC 3339 text. Raises `OverflowError` past the year 9999."""
    if milliseconds is None:
        return None
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()


def user(
    view: View, app: VendorApp, registrations: Sequence[View] = (), factors: Sequence[View] = ()
) -> dict[str, Any]:
    """Return a user."""
    profile = view["profile"]
    verified = view["email_verified"] if view["email"] else view["phone_verified"]
    names = {_camel(theirs): profile.get(native) for theirs, native in PROFILE.items()}
    return without_nulls(
        {
            **names,
            "id": view["public_id"],
            "tenantId": app.vendor_id,
            "active": is_active(view),
            "email": view["email"],
            "username": view["username"],
            "usernameStatus": "ACTIVE",
            "phoneNumber": view["phone"],
            "preferredLanguages": profile.get("preferred_languages") or [],
            "expiry": instant(view["expires_at"]),
            "data": view["metadata"],
            "passwordChangeRequired": view["password_change_required"],
            "verified": verified,
            "insertInstant": instant(view["created_at"]),
            "lastUpdateInstant": instant(view["updated_at"]),
            "lastLoginInstant": instant(view["last_login_at"]),
            "identities": _identities(view),
            "memberships": [],
            "registrations": [registration(one) for one in registrations],
            "twoFactor": {"methods": [method(factor) for factor in factors], "recoveryCodes": []},
        }
    )


def is_active(view: View) -> bool:
    """Say whether a user is active for FusionAuth, where locks and actions are matters of their own."""
    return view["status"] not in ("inactive", "pending")


def _identities(view: View) -> list[dict[str, Any]]:
    found = (
        ("email", view["email"], view["email_verified"]),
        ("phoneNumber", view["phone"], view["phone_verified"]),
        ("username", view["username"], False),
    )
    return [
        {
            "type": kind,
            "value": value,
            "displayValue": value,
            "primary": True,
            "verified": verified,
            "insertInstant": instant(view["created_at"]),
        }
        for kind, value, verified in found
        if value is not None
    ]


def registration(view: View) -> dict[str, Any]:
    """Return a registration."""
    return without_nulls(
        {
            "id": view["id"],
            "applicationId": view["application_id"],
            "roles": view["roles"],
            "username": view["username"],
            "usernameStatus": "ACTIVE",
            "verified": view["verified"],
            "data": view["metadata"],
            "preferredLanguages": [],
            "tokens": {},
            "insertInstant": instant(view["created_at"]),
            "lastUpdateInstant": instant(view["updated_at"]),
            "lastLoginInstant": instant(view["last_login_at"]),
        }
    )


def method(factor: View) -> dict[str, Any]:
    """Return a second factor."""
    return {"id": str(factor["id"]), "method": "authenticator", "authenticator": dict(_AUTHENTICATOR)}


def application(view: View, app: VendorApp) -> dict[str, Any]:
    """Return an application. Its roles have no ids of their own here, so theirs follow from their names."""
    owner = UUID(view["id"])
    roles = [
        {"id": str(uuid5(owner, name)), "name": name, "isDefault": False, "isSuperRole": False}
        for name in view["roles"]
    ]
    return {
        "id": view["id"],
        "tenantId": app.vendor_id,
        "name": view["name"],
        "active": view["active"],
        "state": "Active" if view["active"] else "Inactive",
        "roles": roles,
        "data": view["metadata"],
        "loginConfiguration": {
            "allowTokenRefresh": True,
            "generateRefreshTokens": view["refresh_tokens"],
            "requireAuthentication": False,
        },
        "passwordlessConfiguration": {"enabled": True},
        "verifyRegistration": view["require_verified_registration"],
        "insertInstant": instant(view["created_at"]),
        "lastUpdateInstant": instant(view["updated_at"]),
    }


def tenant(app: VendorApp) -> dict[str, Any]:
    """Return the tenant that an app is, as far as the two say the same."""
    found = app.settings
    policy = app.vendor_settings.get("refresh_token_usage_policy", "Reusable")
    return without_nulls(
        {
            "id": app.vendor_id,
            "name": found["name"],
            "issuer": found.get("jwt_issuer"),
            "state": "Active",
            "configured": True,
            "data": {},
            "externalIdentifierConfiguration": {
                "passwordlessLoginGenerator": {
                    "type": _GENERATORS_BACK[found["passcode_strategy"]],
                    "length": found["passcode_length"],
                },
                "passwordlessLoginTimeToLiveInSeconds": found["ttl_seconds"],
            },
            "jwtConfiguration": {
                "enabled": True,
                "timeToLiveInSeconds": jwt_seconds(app),
                "refreshTokenTimeToLiveInMinutes": found["session_seconds"] // 60,
                "refreshTokenUsagePolicy": policy,
            },
            "insertInstant": instant(found.get("created_at")),
            "lastUpdateInstant": instant(found.get("updated_at")),
        }
    )


def jwt_seconds(app: VendorApp) -> int:
    """Return how long the tenant's JWTs live."""
    return int(app.vendor_settings.get("jwt_ttl_seconds", DEFAULT_JWT_SECONDS))


def refresh_token(session: View) -> dict[str, Any] | None:
    """Return the refresh token of a session, None for one that has none. Its text is told once, when it is made."""
    about = session["claims"].get(KEPT_WITH_SESSION)
    if about is None:
        return None
    device = {
        **about["device"],
        "lastAccessedAddress": (session["client"] or {}).get("ip"),
        "lastAccessedInstant": instant(session["last_accessed_at"]),
    }
    return without_nulls(
        {
            "id": session["id"],
            "userId": session["user_id"],
            "applicationId": session["application_id"],
            "insertInstant": instant(session["started_at"]),
            "startInstant": instant(session["started_at"]),
            "metaData": {"device": without_nulls(device), "scopes": ["offline_access"]},
        }
    )


def action(view: View) -> dict[str, Any]:
    """Return the action that keeps a suspended user from signing in. A user has one at most: its id is theirs."""
    return without_nulls(
        {
            "id": view["id"],
            "actioneeUserId": view["public_id"],
            "comment": view["status_reason"],
            "active": view["status"] == "suspended",
            "preventsLogin": True,
            "expiry": instant(view["suspended_until"]),
            "name": "Prevent login",
            "localizedName": "Prevent login",
        }
    )


def preventing_action(members: View) -> dict[str, Any]:
    """Return what the 409 of a login says of a suspension, of the refusal's members."""
    return without_nulls(
        {
            "name": "Prevent login",
            "localizedName": "Prevent login",
            "reason": members.get("status_reason"),
            "localizedReason": members.get("status_reason"),
            "expiry": instant(members.get("suspended_until")),
        }
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
