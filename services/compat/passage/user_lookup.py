"""Finds the native user by the id that Passage's clients know."""

from typing import Any

from services.compat.accounts import Account
from services.compat.passage.errors import user_not_found
from services.compat.users import user_of_public_id
from shared.public_ids import parse_id

LONGEST_ID = 200


async def find_user(account: Account, public_id: str) -> dict[str, Any]:
    """Return the native user. Raises the vendor's `user_not_found`."""
    found = await user_of_public_id(account, public_id) if 0 < len(public_id) <= LONGEST_ID else None
    if found is None:
        raise user_not_found()
    return found


async def find_user_id(account: Account, public_id: str) -> str:
    """Return the native id that a user's id stands for; only an imported user is looked up. Raises the vendor's `user_not_found`."""
    user_id = parse_id(account.app.settings["user_id_format"], public_id)
    return str(user_id) if user_id else str((await find_user(account, public_id))["id"])
