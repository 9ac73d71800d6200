"""To whom a message goes: the user with an address or number, and the one whom a call names besides."""

from uuid import UUID

from services.compat.stytch.authenticating import one_session
from services.compat.stytch.errors import EMAIL_NOT_FOUND, PHONE_NOT_FOUND, StytchRefusal, refuse
from services.compat.stytch.project import Project, User
from services.compat.stytch.requests import Subject
from shared.public_ids import format_id

_NOT_FOUND = {"email": EMAIL_NOT_FOUND, "phone": PHONE_NOT_FOUND}
_NAMES = {"email": "email", "phone": "phone_number"}


async def known_recipient(project: Project, field: str, address: str, asked: Subject) -> User:
    """Return the user with this `email` or `phone`. Raises `StytchRefusal` when there is none.

    A call may name a user by `user_id` or session, to whom Stytch would add the address until it is verified. Users here have one
    address and one number, and an unverified one that somebody else owns would let its owner into this account: adding is refused.
    """
    user = await project.find_user(field, address)
    subject = await _subject(project, asked)
    if subject is not None and user is not None and user["id"] != subject["id"]:
        raise StytchRefusal(
            400, f"duplicate_{_NAMES[field]}", f"This {_NAMES[field]} belongs to another user."
        )
    if subject is not None and user is None:
        raise StytchRefusal(
            400,
            "update_user_auth_method_not_allowed",
            f"Sending does not add an {_NAMES[field]} here: change the user's by users.exchange_primary_factor.",
        )
    if user is None:
        raise refuse(_NOT_FOUND[field])
    return user


async def _subject(project: Project, asked: Subject) -> User | None:
    if asked.user_id is not None:
        return await project.user(asked.user_id)
    if one_session(asked.session_token, asked.session_jwt) is None:
        return None
    by = {"jwt": asked.session_jwt} if asked.session_token is None else {"session_token": asked.session_token}
    found = await project.native.verifier("POST", "/v1/sessions/authenticate", by)
    user: User = found["user"]
    return user


def public_id(project: Project, user: User | None, native_id: str) -> str:
    """Return how the project calls a user: one whom the call found, or one whom it made."""
    if user is not None:
        return str(user["public_id"])
    return format_id(project.account.app.settings["user_id_format"], UUID(native_id))
