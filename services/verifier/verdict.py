"""What an attempt to consume a link came to: the closed list, and the refusal each one means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.database import Row
from shared.errors import LinkConsumed, LinkExpired, LinkInvalid, LinkNotYetValid, LinkRevoked, Refusal

State = Literal["redeemed", "consumed", "revoked", "expired", "not_yet_valid", "unknown"]

_REFUSALS: Mapping[State, type[Refusal]] = {
    "consumed": LinkConsumed,
    "revoked": LinkRevoked,
    "expired": LinkExpired,
    "not_yet_valid": LinkNotYetValid,
    "unknown": LinkInvalid,
}


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
        raise _REFUSALS[self.state]


def won_now(row: Row) -> Verdict:
    """Return the verdict for a row that the guarded statement returned."""
    return Verdict("redeemed", row)


def judge(row: Row | None, attempt_id: UUID) -> Verdict | None:
    """Judge a row of `look`; None: the link is free. The database's clock (`looked_at`) tells the time."""
    if row is None:
        return Verdict("unknown", None)
    # Revocation may come after consumption and then wins: a revoked link has nothing more to give. And a user who was deleted
    # meanwhile cannot be signed in.
    if row["revoked_at"] is not None or row["found_user"] is None:
        return Verdict("revoked", row)
    if row["consumed_at"] is not None:
        mine = row["consumed_by"] == attempt_id
        return Verdict("redeemed" if mine else "consumed", row, replayed=mine)
    if row["looked_at"] >= row["expires_at"]:
        return Verdict("expired", row)
    if row["looked_at"] < row["not_before"]:
        return Verdict("not_yet_valid", row)
    return None
