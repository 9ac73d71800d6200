"""From a proof to a sign-in: what is left to do once a link, or a second factor, has shown who somebody is.

1. The policy of app and user is asked. It may refuse, with what the caller needs to go on; the link is consumed then, and the same attempt
   hears the same again.
2. The session that was asked for is started, once for each link and opener, or extended.
3. The answer is made, with a JWT.

Without policy, application and session this is no further trip to the database: what it asks came with the link's row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from services.verifier.answer import Answers, SignedIn
from services.verifier.proof import Asked, LoginWanted, Proven
from services.verifier.sessions import Sessions
from services.verifier.verdict import Redeemed
from shared.database import Row
from shared.errors import FieldProblem, Invalid
from shared.tokens import LinkRef

_DELIVERED_BY: Mapping[str, str] = {"none": "embedded"}


class Policy(Protocol):
    """What decides whether a proof is enough."""

    async def check(self, proven: Proven, wanted: LoginWanted, registration: Row | None) -> None:
        """Return when it is. Raises the refusal that says what is missing.

        `registration`: at the wanted application, with its `require_verified_registration`; its `id` is None where there is none. None:
        no application was named.
        """
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """Turns proofs into sign-ins."""

    policy: Policy
    sessions: Sessions
    answers: Answers

    async def complete(self, redeemed: Redeemed, wanted: LoginWanted, asked: Asked) -> dict[str, Any]:
        """Return the answer for whom a link signed in, or raise what the policy, the user's state or an outage says against it."""
        proven = proven_by_link(redeemed.row, asked)
        registration = await self.find_registration(proven, wanted)
        await self.policy.check(proven, wanted, registration)
        return await self.finish(proven, wanted, registration)

    async def finish(self, proven: Proven, wanted: LoginWanted, registration: Row | None) -> dict[str, Any]:
        """Return the answer for a proof that the policy has nothing against: with a second factor, say."""
        session, since = None, changed_by_link(proven)
        if wanted.session is not None:
            session, counted = await self.sessions.begin(proven, wanted, wanted.session)
            since |= counted
        known = registration if registration is not None and registration["id"] is not None else None
        return self.answers.body(SignedIn(proven, wanted, session, known, since))

    async def find_registration(self, proven: Proven, wanted: LoginWanted) -> Row | None:
        """Return the registration at the wanted application, as `Policy` takes it. Raises `Invalid` for an application that is none of the app's."""
        if wanted.application_id is None:
            return None
        row = proven.row
        found = await self.sessions.find_registration(
            row["login_app"], wanted.application_id, row["holder_id"]
        )
        if found is None:
            raise application_unknown()
        return found


def proven_by_link(row: Row, asked: Asked) -> Proven:
    """Return what a consumed link, as `consume`, `exchange` or `look` tell it, has shown."""
    by_passcode = row["consumed_via"] == "passcode"
    factor = {
        "type": "otp" if by_passcode else "magic_link",
        "delivery_method": _DELIVERED_BY.get(row["channel"], row["channel"]),
        "address": _address(row),
        "at": row["consumed_at"].isoformat(),
    }
    door = "otp" if by_passcode else "link"
    return Proven(
        row,
        asked,
        at=row["consumed_at"],
        link=LinkRef(row["kid"], row["id"]),
        factors=(factor,),
        methods=(door,) if row["channel"] == "none" else (door, row["channel"]),
        told_at=row["looked_at"] if asked.opener == "poll" else row["exchanged_at"],
    )


def application_unknown() -> Invalid:
    """Return the refusal of an application that the app does not have: its id as an audience would sign somebody in elsewhere."""
    return Invalid(
        [FieldProblem("application_id", "application_unknown", "is no active application of this app")]
    )


def _address(row: Row) -> str | None:
    if row["channel"] == "none":
        return None
    address: str | None = row["email"] if row["channel"] == "email" else row["phone"]
    return address


def changed_by_link(proven: Proven) -> dict[str, Any]:
    """Return what the consumption itself changed of its user, whom its row shows as they were before."""
    if proven.link is None:
        return {}
    since: dict[str, Any] = {}
    if proven.row["marks"] is not None:
        since[f"{proven.row['marks']}_verified"] = True
    if proven.row["holder_status"] == "pending":
        since["status"] = "active"
    return since
