"""The verifier's statements, as functions over attempts. Only `consume` and `exchange` call those that write."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar
from uuid import UUID

import orjson

from shared.database import Pool, Row
from shared.sql_blocks import SqlBlocks
from shared.tokens import LinkRef

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")

# How long the exchange of a grant may be repeated by the one who made it (DESIGN §3).
EXCHANGE_REPEATS_SECONDS = 60.0

T = TypeVar("T")
_ORDER = attrgetter("int")  # UUID's own comparison is Python code

Via = Literal["api", "browser", "passcode"]


class AppAttempt(Protocol):
    """An attempt on a link, by an app or (None) by a browser."""

    @property
    def link(self) -> LinkRef: ...
    @property
    def attempt_id(self) -> UUID: ...
    @property
    def app_id(self) -> UUID | None: ...


class TermsOf(Protocol):
    """What else must be so of a link, as the statements compare it."""

    @property
    def code_challenge(self) -> str | None: ...
    @property
    def client(self) -> Mapping[str, str] | None: ...
    @property
    def user_id(self) -> UUID | None: ...


class ConsumeAttempt(AppAttempt, Protocol):
    """What the consuming statement is told of an attempt."""

    @property
    def via(self) -> Via: ...
    @property
    def paired(self) -> bool: ...
    @property
    def request_id(self) -> str: ...
    @property
    def terms(self) -> TermsOf: ...


class ExchangeAttempt(AppAttempt, Protocol):
    """What the exchanging statement is told of an attempt."""

    @property
    def request_id(self) -> str: ...
    @property
    def terms(self) -> TermsOf: ...


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
            *_terms(attempt.terms for attempt in attempts),
            *bounds_of(attempt.link.link_id for attempt in attempts),
        )
        return _by_attempt(rows)

    async def exchange(self, attempts: Sequence[ExchangeAttempt]) -> dict[UUID, Row]:
        """Exchange what is free; return the rows of those who won, by attempt id."""
        rows = await self._pool.fetch(
            SQL.exchange,
            *_who(attempts),
            [attempt.request_id for attempt in attempts],
            *_terms(attempt.terms for attempt in attempts),
            *bounds_of(attempt.link.link_id for attempt in attempts),
        )
        return _by_attempt(rows)

    async def look(self, attempts: Sequence[AppAttempt]) -> dict[UUID, Row]:
        """Read where the links stand, by attempt id. A link that the attempt's app does not have is missing."""
        bounds = bounds_of(attempt.link.link_id for attempt in attempts)
        rows = await self._pool.fetch(SQL.look, *_who(attempts), *bounds, EXCHANGE_REPEATS_SECONDS)
        return _by_attempt(rows)

    async def write_visits(self, visits: Sequence[NotedVisit]) -> None:
        """Write visits of links that are there, the first 20 of each."""
        columns = zip(*visits, strict=True)
        await self._pool.fetch(
            SQL.write_visits,
            *(list(column) for column in columns),
            *bounds_of(visit.link_id for visit in visits),
        )


def _who(attempts: Iterable[AppAttempt]) -> tuple[list[UUID], list[UUID], list[UUID | None]]:
    attempts = list(attempts)
    return (
        [attempt.link.link_id for attempt in attempts],
        [attempt.attempt_id for attempt in attempts],
        [attempt.app_id for attempt in attempts],
    )


def _terms(
    given: Iterable[TermsOf],
) -> tuple[list[str | None] | None, list[str | None] | None, list[UUID | None] | None]:
    given = list(given)
    return (
        _unless_none([terms.code_challenge for terms in given]),
        _unless_none([None if t.client is None else orjson.dumps(t.client).decode() for t in given]),
        _unless_none([terms.user_id for terms in given]),
    )


def _unless_none(column: list[T | None]) -> list[T | None] | None:
    # `unnest` fills a missing column with NULL. asyncpg looks at each element of an array twice.
    return column if any(value is not None for value in column) else None


def bounds_of(link_ids: Iterable[UUID]) -> tuple[UUID, UUID]:
    """Return the lowest and the highest: they spare a statement the partitions of other weeks."""
    ids = list(link_ids)
    return min(ids, key=_ORDER), max(ids, key=_ORDER)


def _by_attempt(rows: Iterable[Row]) -> dict[UUID, Row]:
    return {row["attempt_id"]: row for row in rows}
