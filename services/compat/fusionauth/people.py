"""Finding users as FusionAuth names them: by id, or by what they sign in with."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from services.compat.native import Caller, NativeRefusal
from shared.errors import NotFound
from shared.public_ids import DEFAULT_FORMAT, parse_id

User = dict[str, Any]

_COLUMNS: Final = {"email": "email", "phoneNumber": "phone", "username": "username"}
_KINDS: Final = ("email", "phoneNumber", "username")


async def user_of_id(native: Caller, text: str) -> User:
    """Return the user of an id: ours, or the one they had before they were imported. Raises `NotFound`."""
    own_id = parse_id(DEFAULT_FORMAT, text.lower())
    found = await _by_id(native, own_id) if own_id is not None else None
    found = found or await _one(native, imported_id=text)
    if found is None:
        raise NotFound
    return found


async def user_of_login(native: Caller, login_id: str, kinds: Sequence[str] | None = None) -> User | None:
    """Return the user who signs in with this e-mail address, phone number or username, or None."""
    for kind in kinds or _KINDS:
        if not _may_be(kind, login_id):
            continue
        found = await _one(native, **{_COLUMNS[kind]: login_id})
        if found is not None:
            return found
    return None


async def _by_id(native: Caller, user_id: UUID) -> User | None:
    try:
        found: User = await native.issuer("GET", f"/v1/users/{user_id}")
    except NativeRefusal as refusal:
        if refusal.native_code == "not_found":
            return None
        raise
    return found


async def _one(native: Caller, **query: str) -> User | None:
    try:
        found = await native.issuer("GET", "/v1/users", query=query)
    except NativeRefusal as refusal:
        # What is no address is nobody's.
        if refusal.native_code == "invalid_request":
            return None
        raise
    return found["items"][0] if found["items"] else None


def _may_be(kind: str, login_id: str) -> bool:
    if kind == "email":
        return "@" in login_id
    return kind == "username" or login_id.startswith("+")
