"""Whether and where a link reaches its user: what can be told only once the user is known."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.issuer.key_limits import recipient_problem
from shared.errors import FieldProblem
from shared.http.routes import KeyLimits


def address_of(channel: str) -> Literal["email", "phone"]:
    """Return which of a user's addresses a sending channel reaches."""
    return "email" if channel == "email" else "phone"


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user as far as issuing needs it."""

    id: UUID
    email: str | None
    phone: str | None

    def recipient(self, channel: str) -> str | None:
        """Return the address that a channel sends to; None: there is none, or nothing is sent."""
        return None if channel == "none" else self.email if address_of(channel) == "email" else self.phone


def reach_problem(channel: str, kind: str, user: FoundUser | None, limits: KeyLimits) -> FieldProblem | None:
    """Return why a link does not reach its user. `kind` is how the request named them: `user_id`, `email` or `phone`."""
    if user is None:
        return FieldProblem("user_id", "user_unknown", "names no user of this app")
    if channel != "none" and user.recipient(channel) is None:
        return address_missing(channel)
    # A request that names an address was held against the limits before; a user's address is known only now.
    return recipient_problem(limits, user.email) if kind == "user_id" else None


def address_missing(channel: str) -> FieldProblem:
    """Return what is wrong with a channel by which the user cannot be reached."""
    needs = "an e-mail address" if address_of(channel) == "email" else "a phone number"
    return FieldProblem("channel", "recipient_missing", f"needs {needs}, and the user has none")
