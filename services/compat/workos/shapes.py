"""WorkOS's objects, made from the native API's answers: every member of VENDORS §2, null where there is nothing to tell."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.compat.workos import ids

Json = Mapping[str, Any]

PROFILE_CLAIMS: Mapping[str, str] = {
    "first_name": "given_name",
    "last_name": "family_name",
    "name": "name",
    "locale": "locale",
}
"""WorkOS's members of a user, and the claims of the native profile that hold them."""


def moment(text: str) -> str:
    """Return a time as WorkOS writes it: UTC with milliseconds, `2026-01-01T00:00:00.000Z`."""
    utc = datetime.fromisoformat(text).astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def passwordless_session(link: Json, email: str) -> dict[str, Any]:
    return {
        "object": "passwordless_session",
        "id": ids.named(ids.SESSION, link["id"]),
        "email": email,
        "expires_at": moment(link["expires_at"]),
        "link": link["url"],
    }


def user(native: Json) -> dict[str, Any]:
    """Return a user. The SDKs want an address: a user without one has an empty text."""
    profile = native["profile"]
    return {
        "object": "user",
        "id": native["public_id"],
        "email": native["email"] or "",
        "email_verified": native["email_verified"],
        **{member: profile.get(claim) for member, claim in PROFILE_CLAIMS.items()},
        "profile_picture_url": profile.get("picture"),
        "last_sign_in_at": native["last_login_at"] and moment(native["last_login_at"]),
        "external_id": native["external_id"],
        "metadata": native["metadata"],
        "created_at": moment(native["created_at"]),
        "updated_at": moment(native["updated_at"]),
    }


def profile(native_user: Json, connection: Json) -> dict[str, Any]:
    """Return the profile of a user who came by a magic link: no identity provider told anything about them."""
    claims = native_user["profile"]
    return {
        "object": "profile",
        "id": ids.named(ids.PROFILE, native_user["id"]),
        "connection_id": ids.named(ids.CONNECTION, connection["id"]),
        "connection_type": "MagicLink",
        "organization_id": connection["organization_id"],
        "idp_id": "",
        "email": native_user["email"] or "",
        "first_name": claims.get("given_name"),
        "last_name": claims.get("family_name"),
        "name": claims.get("name"),
        "raw_attributes": {},
    }


def connection(native: Json) -> dict[str, Any]:
    """Return a connection: one an e-mail domain, made by itself, so always active and never changed."""
    created_at = moment(native["created_at"])
    domain_id = ids.named(ids.CONNECTION_DOMAIN, native["id"])
    return {
        "object": "connection",
        "id": ids.named(ids.CONNECTION, native["id"]),
        "organization_id": native["organization_id"],
        "connection_type": "MagicLink",
        "name": native["domain"],
        "state": "active",
        "status": "linked",
        "domains": [{"object": "connection_domain", "id": domain_id, "domain": native["domain"]}],
        "created_at": created_at,
        "updated_at": created_at,
    }


def magic_auth(link: Json, native_user: Json) -> dict[str, Any]:
    """Return a Magic Auth without its code: `link` is a link or a passcode of the native API."""
    created_at = moment(link["created_at"])
    return {
        "object": "magic_auth",
        "id": ids.named(ids.MAGIC_AUTH, link["id"]),
        "user_id": native_user["public_id"],
        "email": native_user["email"] or "",
        "expires_at": moment(link["expires_at"]),
        "created_at": created_at,
        "updated_at": created_at,
    }


def authentication(native_user: Json, access_token: str, refresh_token: str) -> dict[str, Any]:
    """Return who signed in and the tokens of their session."""
    return {
        "user": user(native_user),
        "organization_id": None,
        "access_token": access_token,
        "refresh_token": refresh_token,
        "authentication_method": "MagicAuth",
    }


def page(items: Sequence[Json], before: str | None = None, after: str | None = None) -> dict[str, Any]:
    """Return a list; `before` and `after` name where the pages beside it begin, None where there is none."""
    return {"object": "list", "data": items, "list_metadata": {"before": before, "after": after}}
