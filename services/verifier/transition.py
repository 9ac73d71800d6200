"""At most once, whatever happens around the commit: what `consume` and `exchange` have in common (DESIGN §4 steps 3 and 4).

A transition is one guarded statement over many attempts. Its verdicts belong to attempts, never to links: only the attempt whose
id the statement wrote has won, and it may ask again and is told so again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import structlog

from shared.batching import Batcher
from shared.database import is_away, is_lost, run_batch
from shared.errors import Unavailable
from shared.outbox import EVENTS_LANE, OutboxBell
from shared.tokens import LinkRef

log = structlog.get_logger()

# A locked row is free again within milliseconds: whoever revokes holds it for one transaction.
LOCKED_PAUSES_SECONDS = (0.01, 0.03, 0.08, 0.2, 0.4)
RESOLVE_PAUSES_SECONDS = (0.0, 0.1, 0.2, 0.4, 0.6)
RESOLVE_SECONDS = 2.0


class Asked(Protocol):
    """What every attempt carries."""

    @property
    def link(self) -> LinkRef: ...
    @property
    def attempt_id(self) -> UUID: ...


AttemptT = TypeVar("AttemptT", bound=Asked)
VerdictT = TypeVar("VerdictT")


@dataclass(frozen=True, slots=True)
class Statements(Generic[AttemptT, VerdictT]):
    """The two statements of a transition; both answer by attempt id.

    `commit` is the guarded write: it returns those that won now. `look` reads where the others stand: a final verdict (also
    "you had won already"), or None for a link that is still free, so that its row was locked.
    """

    commit: Callable[[list[AttemptT]], Awaitable[Mapping[UUID, VerdictT]]]
    look: Callable[[list[AttemptT]], Awaitable[Mapping[UUID, VerdictT | None]]]


class Transition(Generic[AttemptT, VerdictT]):
    """Runs attempts in batches, one of each link at a time, and finds out what became of a lost statement."""

    def __init__(self, name: str, statements: Statements[AttemptT, VerdictT], bell: OutboxBell) -> None:
        self._name = name
        self._statements = statements
        self._bell = bell
        self._batcher: Batcher[AttemptT, VerdictT | None] = Batcher(
            name, self._fly, key=lambda attempt: attempt.link.link_id
        )

    async def run(self, attempt: AttemptT) -> VerdictT | None:
        """Return the verdict, or None when somebody kept the link's row locked all the time.

        Raises `Unavailable` when the outcome is not known: the same attempt finds it when it asks again.
        """
        for pause_seconds in (*LOCKED_PAUSES_SECONDS, None):
            verdict = await self._ride(attempt)
            if verdict is not None or pause_seconds is None:
                return verdict
            await asyncio.sleep(pause_seconds)
        raise AssertionError("unreachable")

    async def drain(self) -> None:
        await self._batcher.drain()

    async def _ride(self, attempt: AttemptT) -> VerdictT | None:
        try:
            return await self._batcher.submit(attempt)
        except Exception as error:
            if is_away(error):
                raise _unknown() from error
            raise

    async def _fly(self, attempts: list[AttemptT]) -> Sequence[VerdictT | BaseException | None]:
        return await run_batch(attempts, self._decide)

    async def _decide(self, attempts: list[AttemptT]) -> Sequence[VerdictT | BaseException | None]:
        verdicts: dict[UUID, VerdictT | None] = {}
        try:
            await self._commit(attempts, verdicts)
        except Exception as error:
            if not is_lost(error):
                raise
            log.warning("outcome_unknown", transition=self._name, attempts=len(attempts), cause=_cause(error))
            await self._resolve(attempts, verdicts)
        else:
            await self._look_for_the_rest(attempts, verdicts)
        return [verdicts.get(a.attempt_id) if a.attempt_id in verdicts else _unknown() for a in attempts]

    async def _commit(self, attempts: list[AttemptT], verdicts: dict[UUID, VerdictT | None]) -> None:
        won = await self._statements.commit(attempts)
        verdicts.update(won)
        if won:
            self._bell.ring(EVENTS_LANE)

    async def _look_for_the_rest(
        self, attempts: list[AttemptT], verdicts: dict[UUID, VerdictT | None]
    ) -> None:
        rest = [attempt for attempt in attempts if attempt.attempt_id not in verdicts]
        if not rest:
            return
        try:
            verdicts.update(await self._statements.look(rest))
        except Exception as error:
            # Those who won have won, and are told so, even if the others cannot be answered now.
            if not is_away(error):
                raise
            await self._resolve(rest, verdicts)

    async def _resolve(self, attempts: list[AttemptT], verdicts: dict[UUID, VerdictT | None]) -> None:
        """Find out what a lost statement did, then do what it did not do. What stays unknown stays out of `verdicts`."""
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                for pause_seconds in RESOLVE_PAUSES_SECONDS:
                    await asyncio.sleep(pause_seconds)
                    if await self._resolve_once(attempts, verdicts):
                        self._bell.ring(EVENTS_LANE)  # also for what the lost statement wrote
                        return
        except TimeoutError:
            return

    async def _resolve_once(self, attempts: list[AttemptT], verdicts: dict[UUID, VerdictT | None]) -> bool:
        open_attempts = [attempt for attempt in attempts if attempt.attempt_id not in verdicts]
        try:
            # 1. Read first. Running the batch again before this could tell a winner that its link is consumed.
            seen = await self._statements.look(open_attempts)
            verdicts.update(
                {attempt_id: seen[attempt_id] for attempt_id in seen if seen[attempt_id] is not None}
            )
            # 2. Only what is still free is run again, with the same ids. Should the lost statement still be at work on the
            #    server, then one of the two finds the guard closed, and the winner is the same attempt.
            free = [attempt for attempt in open_attempts if attempt.attempt_id not in verdicts]
            if free:
                await self._commit(free, verdicts)
                verdicts.update({a.attempt_id: None for a in free if a.attempt_id not in verdicts})
        except Exception as error:
            if not is_away(error):
                raise
            log.info("outcome_still_unknown", transition=self._name, cause=_cause(error))
            return False
        return True


def _unknown() -> Unavailable:
    return Unavailable("the database does not answer; ask again for the outcome", retry_after_seconds=1)


def _cause(error: BaseException) -> str:
    return type(error).__name__
