"""The transition `exchange`: the grant of the redirect becomes the answer, once (RFC 6749 §4.1.3, RFC 7636).

The same attempt gets the same answer for a minute more, so that a lost response costs nobody a sign-in. Whatever is wrong
is refused with one code: the difference between used, late and never issued is worth something to an attacker only.
"""

import base64
import hashlib
from dataclasses import dataclass
from uuid import UUID

from services.verifier.attempt import NO_TERMS, Terms
from services.verifier.store import VerifierStore
from services.verifier.transition import Statements, Transition
from services.verifier.verdict import REFUSALS, Redeemed, barred, unmet
from shared.database import Row
from shared.errors import GrantInvalid, Refusal, Unavailable
from shared.metrics import GRANTS
from shared.outbox import OutboxBell
from shared.tokens import LinkRef


@dataclass(frozen=True, slots=True)
class GrantAttempt:
    """One app's wish to exchange one grant, and what must be so of its link."""

    link: LinkRef
    attempt_id: UUID
    app_id: UUID
    request_id: str
    terms: Terms = NO_TERMS


def challenge_of(code_verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636 §4.2)."""
    digest = hashlib.sha256(code_verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Exchange:
    """Exchanges grants."""

    def __init__(self, store: VerifierStore, bell: OutboxBell) -> None:
        self._store = store
        self._transition: Transition[GrantAttempt, Redeemed | Refusal] = Transition(
            "exchange", Statements(self._commit, self._look), bell
        )

    async def exchange(self, attempt: GrantAttempt) -> Redeemed:
        """Exchange the grant, or return what this attempt got less than a minute ago.

        Raises `GrantInvalid`; what bars its user or breaks the attempt's terms, which burns nothing; and `Unavailable` when the outcome is unknown: the same attempt may ask again.
        """
        try:
            redeemed = await self._exchange(attempt)
        except Refusal as refusal:
            GRANTS.labels(verdict=refusal.code).inc()
            raise
        GRANTS.labels(verdict="replayed" if redeemed.replayed else "exchanged").inc()
        return redeemed

    async def drain(self) -> None:
        await self._transition.drain()

    async def _exchange(self, attempt: GrantAttempt) -> Redeemed:
        verdict = await self._transition.run(attempt)
        if verdict is None:
            raise Unavailable("the link is being changed", retry_after_seconds=1)
        if isinstance(verdict, Refusal):
            raise verdict
        return verdict

    async def _commit(self, attempts: list[GrantAttempt]) -> dict[UUID, Redeemed | Refusal]:
        won = await self._store.exchange(attempts)
        return {attempt_id: Redeemed(row, replayed=False) for attempt_id, row in won.items()}

    async def _look(self, attempts: list[GrantAttempt]) -> dict[UUID, Redeemed | Refusal | None]:
        rows = await self._store.look(attempts)
        return {attempt.attempt_id: _judge(rows.get(attempt.attempt_id), attempt) for attempt in attempts}


def _judge(row: Row | None, attempt: GrantAttempt) -> Redeemed | Refusal | None:
    """Judge a row of `look`; None: the grant is free."""
    if row is None or row["revoked_at"] is not None or row["found_user"] is None:
        return GrantInvalid()
    # A link that its app consumed through the API never had a grant.
    if row["consumed_via"] != "browser" or row["code_challenge"] != attempt.terms.code_challenge:
        return GrantInvalid()
    repeats = row["exchanged_by"] == attempt.attempt_id and row["exchange_repeats"]
    if not repeats and (row["exchanged_at"] is not None or not row["grant_lives"]):
        return GrantInvalid()
    if row["holder_bar"]:
        return barred(row)
    state = unmet(row, attempt.terms, "browser")
    if state:
        return REFUSALS[state]()
    return Redeemed(row, replayed=True) if repeats else None
