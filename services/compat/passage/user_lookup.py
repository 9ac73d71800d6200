"""Finds the native user by the id that Passage's clients know."""

from typing import Any
from uuid import UUID

from services.compat.accounts import Account
from services.compat.native import NativeRefusal
from services.compat.passage.errors import user_not_found
from shared.public_ids import parse_id

LONGEST_ID = 200


async def find_user(account: Account, public_id: str) -> dict[str, Any]:
    """Return the native user. Raises the vendor's `user_not_found`."""
    if not 0 < len(public_id) <= LONGEST_ID:
        raise user_not_found()
    found = await _by_own_id(account, public_id) or await _by_imported_id(account, public_id)
    # An imported user is known by the imported id alone: one user, one name.
    if found is None or found["public_id"] != public_id:
        raise user_not_found()
    return found


async def _by_own_id(account: Account, public_id: str) -> dict[str, Any] | None:
    user_id: UUID | None = parse_id(account.app.settings["user_id_format"], public_id)
    if user_id is None:
        return None
    try:
        user: dict[str, Any] = await account.native.issuer("GET", f"/v1/users/{user_id}")
    except NativeRefusal as refusal:
        if refusal.native_code == "not_found":
            return None
        raise
    return user


async def _by_imported_id(account: Account, public_id: str) -> dict[str, Any] | None:
    try:
        found = await account.native.issuer("GET", "/v1/users", query={"imported_id": public_id})
    except NativeRefusal as refusal:
        # A text that cannot be an id is nobody's.
        if refusal.native_code == "invalid_request":
            return None
        raise
    items: list[dict[str, Any]] = found["items"]
    return items[0] if items else None


async def find_user_id(account: Account, public_id: str) -> str:
    """Return the native id that a user's id stands for; only an imported user is looked up. Raises the vendor's `user_not_found`."""
    user_id = parse_id(account.app.settings["user_id_format"], public_id)
    return str(user_id) if user_id else str((await find_user(account, public_id))["id"])
