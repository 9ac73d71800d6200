"""Whether and where a link reaches its user: what can be told only once the user is known."""

from typing import Literal, NamedTuple
from uuid import UUID

from services.issuer.key_limits import recipient_problem
from shared.errors import FieldProblem
from shared.http.routes import KeyLimits
from shared.users import public_id


def address_of(channel: str) -> Literal["email", "phone"]:
    """Return which of a user's addresses a sending channel reaches."""
    return "email" if channel == "email" else "phone"


class FoundUser(NamedTuple):
    """A user as far as issuing needs it. `is_new`: they were made for this very link."""

    id: UUID
    email: str | None
    phone: str | None
    imported_id: str | None = None
    is_new: bool = False

    def public_id(self, user_id_format: str) -> str:
        """Return their name towards the product (shared/users.py)."""
        return public_id({"id": self.id, "imported_id": self.imported_id}, user_id_format)

    def recipient(self, channel: str) -> str | None:
        """Return the address that a channel sends to; None: there is none, or nothing is sent."""
        return None if channel == "none" else self.email if address_of(channel) == "email" else self.phone


def reach_problem(channel: str, kind: str, user: FoundUser | None, limits: KeyLimits) -> FieldProblem | None:
    """Return why a link does not reach its user. `kind` is how the request named them: `user_id`, `email` or `phone`."""
    if user is None:
        return FieldProblem(kind, "user_unknown", "names no user of this app")
    if channel != "none" and user.recipient(channel) is None:
        return address_missing(channel)
    # A request that names an address was held against the limits before; a user's address is known only now.
    return recipient_problem(limits, user.email) if kind == "user_id" else None


def address_missing(channel: str) -> FieldProblem:
    """Return what is wrong with a channel by which the user cannot be reached."""
    needs = "an e-mail address" if address_of(channel) == "email" else "a phone number"
    return FieldProblem("channel", "recipient_missing", f"needs {needs}, and the user has none")
