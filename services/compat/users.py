"""Native users by what vendors' calls name them by: the native id, the id they are told by, or another member of theirs."""

from typing import Any
from uuid import UUID

from services.compat.accounts import Account
from services.compat.native import Caller, NativeRefusal
from shared.public_ids import parse_id

User = dict[str, Any]


async def user_of_public_id(account: Account, public_id: str) -> User | None:
    """Return the user who is told by this id, which was made here or came with an import; None: nobody is."""
    user_id = parse_id(account.app.settings["user_id_format"], public_id)
    found = await user_of_native_id(account.native, user_id) if user_id is not None else None
    found = found or await user_with(account.native, "imported_id", public_id)
    # An imported user goes by the imported id alone: one user, one name.
    return found if found is not None and found["public_id"] == public_id else None


async def user_of_native_id(native: Caller, user_id: UUID) -> User | None:
    """Return the user with this native id, or None."""
    try:
        found: User = await native.issuer("GET", f"/v1/users/{user_id}")
    except NativeRefusal as refusal:
        if refusal.native_code == "not_found":
            return None
        raise
    return found


async def user_with(native: Caller, member: str, value: str) -> User | None:
    """Return the user with this `email`, `phone`, `username`, `external_id` or `imported_id`, or None."""
    try:
        found = await native.issuer("GET", "/v1/users", query={member: value})
    except NativeRefusal as refusal:
        # What cannot be such a value is nobody's.
        if refusal.native_code == "invalid_request":
            return None
        raise
    items: list[User] = found["items"]
    return items[0] if items else None
