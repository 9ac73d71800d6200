"""What an attempt to consume a link came to: the closed list, and the refusal each one means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.verifier.attempt import Attempt, Terms
from services.verifier.store import Via
from shared.database import Row
from shared.errors import (
    ClientMismatch,
    CodeVerifierInvalid,
    LinkConsumed,
    LinkExpired,
    LinkInvalid,
    LinkNotYetValid,
    LinkRevoked,
    PairingRequired,
    Refusal,
    SessionInvalid,
    UserExpired,
    UserInactive,
    UserLocked,
    UserSuspended,
)

State = Literal[
    "redeemed", "consumed", "revoked", "superseded", "expired", "not_yet_valid", "barred", "foreign", "elsewhere", "unproven",
    "unpaired", "unknown",
]  # fmt: skip

REFUSALS: Mapping[State, type[Refusal]] = {
    "consumed": LinkConsumed,
    "revoked": LinkRevoked,
    "superseded": LinkRevoked,
    "expired": LinkExpired,
    "not_yet_valid": LinkNotYetValid,
    "foreign": SessionInvalid,
    "elsewhere": ClientMismatch,
    "unproven": CodeVerifierInvalid,
    "unpaired": PairingRequired,
    "unknown": LinkInvalid,
}
_BARS: Mapping[str, type[Refusal]] = {
    "inactive": UserInactive,
    "locked": UserLocked,
    "suspended": UserSuspended,
    "expired": UserExpired,
}


def barred(holder: Row) -> Refusal:
    """Return the refusal that the `holder_bar` of a row means (`magiclink.user_bar`). A suspension says why and until when."""
    bar = holder["holder_bar"]
    if bar != "suspended":
        return _BARS[bar]()
    names = ("status_reason", "suspended_until")
    return UserSuspended(members={name: holder[f"holder_{name}"] for name in names})


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A link and its user, for the attempt that consumed it. `replayed`: it had been told so before."""

    row: Row
    replayed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a link stands for one attempt. `row` is None for a link that the attempt's app does not have."""

    state: State
    row: Row | None
    replayed: bool = False

    def redeemed(self) -> Redeemed:
        """Return what was won. Raises the refusal that the verdict means."""
        if self.state == "redeemed" and self.row is not None:
            return Redeemed(self.row, self.replayed)
        if self.state == "barred" and self.row is not None:
            raise barred(self.row)
        raise REFUSALS[self.state]


def won_now(row: Row) -> Verdict:
    """Return the verdict for a row that the guarded statement returned."""
    return Verdict("redeemed", row)


def judge(row: Row | None, attempt: Attempt) -> Verdict | None:
    """Judge a row of `look` for an attempt; None: the link is free. The database's clock (`looked_at`) tells the time.

    It must call free what the statement `consume` calls free, and nothing else.
    """
    if row is None:
        return Verdict("unknown", None)
    state = _ended(row, attempt) or _shut(row, attempt)
    return Verdict(state, row, replayed=state == "redeemed") if state else None


def _ended(row: Row, attempt: Attempt) -> State | None:
    """Say what ended the link for good."""
    # Revocation may come after consumption and then wins: a revoked link has nothing more to give. And a user who was deleted
    # meanwhile cannot be signed in.
    if row["revoked_at"] is not None or row["found_user"] is None:
        return "revoked"
    if row["consumed_at"] is not None and row["consumed_by"] != attempt.attempt_id:
        return "consumed"
    if row["consumed_at"] is not None:
        # Whoever was barred since then is not told who they are; once the bar is lifted they may ask again, on the terms of the first time.
        return "barred" if row["holder_bar"] else unmet(row, attempt.terms, attempt.via) or "redeemed"
    return "superseded" if row["status"] == "superseded" else None


def _shut(row: Row, attempt: Attempt) -> State | None:
    """Say why a link that nothing ended is not open to this attempt."""
    if row["looked_at"] >= row["expires_at"]:
        return "expired"
    if row["looked_at"] < row["not_before"]:
        return "not_yet_valid"
    return ("barred" if row["holder_bar"] else unmet(row, attempt.terms, attempt.via)) or _unpaired(
        row, attempt
    )


def unmet(row: Row, terms: Terms, via: Via) -> State | None:
    """Say which of an attempt's terms its link does not meet."""
    if terms.user_id not in (None, row["user_id"]):
        return "foreign"
    said = row["client"] or {}
    if any(said.get(name) != value for name, value in (terms.client or {}).items()):
        return "elsewhere"
    # A verifier for a link without a challenge is refused too: somebody took the challenge away (RFC 9700 section 4.8.2).
    return "unproven" if via != "browser" and row["code_challenge"] != terms.code_challenge else None


def _unpaired(row: Row, attempt: Attempt) -> State | None:
    # Last, so that a link that is over says so, rather than sending its user to another browser.
    unpaired = row["binding"] == "require" and not attempt.paired and attempt.via != "passcode"
    return "unpaired" if unpaired else None
