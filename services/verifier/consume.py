"""The transition `consume`: of all attempts on a link, on all replicas, whatever fails, one wins (G1), and it may ask again (G4).

1. Redis is asked for a claim: replays and storms end there (claim).
2. PostgreSQL commits, together with whatever else waits: the arbiter (transition, queries.sql).
3. An unknown outcome is read before anything is run again (transition).
4. A final verdict is told to Redis (claim).
"""

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from prometheus_client import Counter

from services.verifier.attempt import Attempt
from services.verifier.claim import Claims
from services.verifier.store import VerifierStore
from services.verifier.transition import Statements, Transition
from services.verifier.verdict import Redeemed, Verdict, judge, won_now
from services.verifier.visitors import Visitor
from services.verifier.visits import Note, Visit, note_nothing
from shared.cache import Cache
from shared.errors import LinkInProgress, LinkInvalid, Refusal, Unavailable
from shared.metrics import LINK_ATTEMPTS
from shared.outbox import OutboxBell


class Consume:
    """Consumes links."""

    def __init__(
        self, store: VerifierStore, cache: Cache, bell: OutboxBell, note: Note = note_nothing
    ) -> None:
        self._store = store
        self._note = note
        self._claims = Claims(cache, self._is_known)
        self._transition: Transition[Attempt, Verdict] = Transition(
            "consume", Statements(self._commit, self._look), bell
        )

    async def consume(self, attempt: Attempt) -> Redeemed:
        """Consume the link for this attempt, or return what this attempt won before.

        Raises `LinkInvalid`, `LinkConsumed`, `LinkExpired`, `LinkRevoked`, `LinkNotYetValid`; `PairingRequired` for a link that asks for
        its own browser; `LinkInProgress` when another attempt is at it; `Unavailable` when the outcome is unknown. None of these burns
        anything, and after the last two the same attempt may ask again.
        """
        try:
            redeemed = await self._consume(attempt)
        except Refusal as refusal:
            _counter(refusal.code, attempt.via).inc()
            self._note_refused(attempt, refusal)
            raise
        _counter("replayed" if redeemed.replayed else "consumed", attempt.via).inc()
        return redeemed

    async def drain(self) -> None:
        await self._transition.drain()

    async def _consume(self, attempt: Attempt) -> Redeemed:
        hold = await self._claims.take(attempt)
        verdict = None
        try:
            verdict = await self._transition.run(attempt)
        finally:
            await self._claims.settle(attempt, hold, verdict)
        if verdict is None:
            raise LinkInProgress(retry_after_seconds=1)
        return verdict.redeemed()

    def _note_refused(self, attempt: Attempt, refusal: Refusal) -> None:
        # An unknown link has no timeline, and an outage is no fact of the link.
        if not isinstance(refusal, LinkInvalid | Unavailable):
            visitor: Visitor = "browser" if attempt.via == "browser" else "api"
            self._note(Visit(attempt.link.link_id, "refused", visitor, refusal.code, attempt.app_id))

    async def _commit(self, attempts: list[Attempt]) -> dict[UUID, Verdict]:
        won = await self._store.consume(attempts)
        return {attempt_id: won_now(row) for attempt_id, row in won.items()}

    async def _look(self, attempts: Sequence[Attempt]) -> dict[UUID, Verdict | None]:
        rows = await self._store.look(attempts)
        return {attempt.attempt_id: judge(rows.get(attempt.attempt_id), attempt) for attempt in attempts}

    async def _is_known(self, attempt: Attempt) -> bool:
        return bool(await self._store.look([attempt]))


@cache
def _counter(verdict: str, via: str) -> Counter:
    return LINK_ATTEMPTS.labels(verdict=verdict, via=via)
