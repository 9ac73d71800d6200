"""Finding users as FusionAuth names them: by id, or by what they sign in with."""

from collections.abc import Sequence
from typing import Final

from services.compat.native import Caller
from services.compat.users import User, user_of_native_id, user_with
from shared.errors import NotFound
from shared.public_ids import DEFAULT_FORMAT, parse_id

_COLUMNS: Final = {"email": "email", "phoneNumber": "phone", "username": "username"}
_KINDS: Final = ("email", "phoneNumber", "username")


async def user_of_id(native: Caller, text: str) -> User:
    """Return the user of an id: ours, or the one they had before they were imported. Raises `NotFound`."""
    own_id = parse_id(DEFAULT_FORMAT, text.lower())
    found = await user_of_native_id(native, own_id) if own_id is not None else None
    found = found or await user_with(native, "imported_id", text)
    if found is None:
        raise NotFound
    return found


async def user_of_login(native: Caller, login_id: str, kinds: Sequence[str] | None = None) -> User | None:
    """Return the user who signs in with this e-mail address, phone number or username, or None."""
    for kind in kinds or _KINDS:
        if not _may_be(kind, login_id):
            continue
        found = await user_with(native, _COLUMNS[kind], login_id)
        if found is not None:
            return found
    return None


def _may_be(kind: str, login_id: str) -> bool:
    if kind == "email":
        return "@" in login_id
    return kind == "username" or login_id.startswith("+")
