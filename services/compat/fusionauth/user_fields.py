"""A FusionAuth user as fields of a native one, and back in the names of their faults."""

from collections.abc import Mapping
from typing import Any, Final

from services.compat.fusionauth.bodies import User, given
from services.compat.fusionauth.errors import invalid
from services.compat.fusionauth.shapes import PROFILE, is_active, moment

_PLAIN: Final[Mapping[str, str]] = {
    "email": "email",
    "username": "username",
    "phone_number": "phone",
    "password_change_required": "password_change_required",
}
NAMES: Final[Mapping[str, str]] = {
    "id": "user.id",
    "email": "user.email",
    "phone": "user.phoneNumber",
    "username": "user.username",
    "profile": "user",
    "metadata": "user.data",
    "expires_at": "user.expiry",
    "users_named": "user.email",
    "body": "user",
}
"""FusionAuth's names of what the native API may find wrong."""

_EMPTY: Final[Mapping[str, Any]] = {"profile": {}, "metadata": {}, "password_change_required": False}


def native_fields(user: User, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the native fields that a request gives. `before`: the user as it was, whose profile and data are merged with (RFC 7396)."""
    said = given(user)
    found: dict[str, Any] = {_PLAIN[name]: said[name] for name in _PLAIN if name in said}
    if found.get("password_change_required", False) is None:
        found["password_change_required"] = False
    profile = {PROFILE[name]: said[name] for name in PROFILE if name in said}
    if profile or before is None:
        kept = before["profile"] if before else {}
        found["profile"] = _merged(kept, profile)
    if "data" in said:
        found["metadata"] = _merged(before["metadata"] if before else {}, said["data"] or {})
    if "expiry" in said:
        found["expires_at"] = _moment(said["expiry"])
    if said.get("active") is not None and not (before and said["active"] == is_active(before)):
        found["status"] = "active" if said["active"] else "inactive"
    return found


def replaced_fields(user: User, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the native fields of a whole new user in an old one's place: what is not given is gone."""
    empty = {"email": None, "username": None, "phone": None, "expires_at": None}
    found = native_fields(user)
    # Who writes back what they read changes nothing: `active` of a suspended or locked user is true, and lifts nothing.
    if user.active == is_active(before):
        found.pop("status", None)
    return {**empty, **_EMPTY, **found}


def _merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(before)
    for name, value in after.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict) and isinstance(found.get(name), dict):
            found[name] = _merged(found[name], value)
        else:
            found[name] = value
    return found


def _moment(milliseconds: int | None) -> str | None:
    try:
        return moment(milliseconds)
    except OverflowError:
        raise invalid("user.expiry", "must be milliseconds since 1970, before the year 10000.") from None
