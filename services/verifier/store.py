"""The verifier's statements, as functions over attempts. Only `consume` and `exchange` call those that write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from shared.database import Pool, Row
from shared.sql_blocks import SqlBlocks
from shared.tokens import LinkRef

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")

# How long the exchange of a grant may be repeated by the one who made it (DESIGN §3).
EXCHANGE_REPEATS_SECONDS = 60.0

Via = Literal["api", "browser", "passcode"]


class AppAttempt(Protocol):
    """An attempt on a link, by an app or (None) by a browser."""

    @property
    def link(self) -> LinkRef: ...
    @property
    def attempt_id(self) -> UUID: ...
    @property
    def app_id(self) -> UUID | None: ...


class ConsumeAttempt(AppAttempt, Protocol):
    """What the consuming statement is told of an attempt."""

    @property
    def via(self) -> Via: ...
    @property
    def paired(self) -> bool: ...
    @property
    def request_id(self) -> str: ...


class ExchangeAttempt(AppAttempt, Protocol):
    """What the exchanging statement is told of an attempt."""

    @property
    def code_challenge(self) -> str | None: ...
    @property
    def request_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose passcode it is: exactly one is given."""

    link_id: UUID | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Guess:
    """A passcode that somebody typed, by its attempt. `stand_in` is charged when the link is not there or not open to guesses."""

    link_id: UUID
    app_id: UUID
    attempt_id: UUID
    stand_in: UUID


class NotedVisit(NamedTuple):
    """A row of `link_visits` before its time: `age_seconds` is how long it waited to be written."""

    link_id: UUID
    app_id: UUID | None
    event: str
    visitor: str
    detail: str | None
    age_seconds: float


class VerifierStore:
    """Reads and writes of the verifier: each call is one autocommitted statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def consume(self, attempts: Sequence[ConsumeAttempt]) -> dict[UUID, Row]:
        """Consume what is free; return the rows of those who won, by attempt id."""
        rows = await self._pool.fetch(
            SQL.consume,
            *_who(attempts),
            [attempt.via for attempt in attempts],
            [attempt.request_id for attempt in attempts],
            [attempt.paired for attempt in attempts],
            *_bounds(attempt.link.link_id for attempt in attempts),
        )
        return _by_attempt(rows)

    async def exchange(self, attempts: Sequence[ExchangeAttempt]) -> dict[UUID, Row]:
        """Exchange what is free; return the rows of those who won, by attempt id."""
        rows = await self._pool.fetch(
            SQL.exchange,
            *_who(attempts),
            [attempt.code_challenge for attempt in attempts],
            [attempt.request_id for attempt in attempts],
            *_bounds(attempt.link.link_id for attempt in attempts),
        )
        return _by_attempt(rows)

    async def look(self, attempts: Sequence[AppAttempt]) -> dict[UUID, Row]:
        """Read where the links stand, by attempt id. A link that the attempt's app does not have is missing."""
        bounds = _bounds(attempt.link.link_id for attempt in attempts)
        rows = await self._pool.fetch(SQL.look, *_who(attempts), *bounds, EXCHANGE_REPEATS_SECONDS)
        return _by_attempt(rows)

    async def find_passcode_links(self, app_id: UUID, holder: Holder) -> Sequence[Row]:
        """Read what a passcode may be meant for: the link, or of a user the newest live one and those that passcodes consumed lately."""
        if holder.link_id is not None:
            return await self._pool.fetch(SQL.find_passcode_link, app_id, holder.link_id)
        return await self._pool.fetch(SQL.find_passcode_links_of_user, app_id, holder.email, holder.phone)

    async def raise_tries(self, guess: Guess) -> Row | None:
        """Count a try before it is compared; None: there is nothing to compare it with."""
        rows = await self._pool.fetch(
            SQL.raise_tries, guess.link_id, guess.app_id, guess.attempt_id, guess.stand_in
        )
        return rows[0] if rows else None

    async def write_visits(self, visits: Sequence[NotedVisit]) -> None:
        """Write visits of links that are there, the first 20 of each."""
        columns = zip(*visits, strict=True)
        await self._pool.fetch(
            SQL.write_visits,
            *(list(column) for column in columns),
            *_bounds(visit.link_id for visit in visits),
        )


def _who(attempts: Iterable[AppAttempt]) -> tuple[list[UUID], list[UUID], list[UUID | None]]:
    attempts = list(attempts)
    return (
        [attempt.link.link_id for attempt in attempts],
        [attempt.attempt_id for attempt in attempts],
        [attempt.app_id for attempt in attempts],
    )


def _bounds(link_ids: Iterable[UUID]) -> tuple[UUID, UUID]:
    ids = list(link_ids)
    return min(ids), max(ids)


def _by_attempt(rows: Iterable[Row]) -> dict[UUID, Row]:
    return {row["attempt_id"]: row for row in rows}
