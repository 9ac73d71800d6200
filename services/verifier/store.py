"""The verifier's statements, as functions over attempts. Only `consume` and `exchange` call those that write."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

from shared.database import Pool, Row
from shared.sql_blocks import SqlBlocks
from shared.tokens import LinkRef

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")

# How long the exchange of a grant may be repeated by the one who made it (DESIGN §3).
EXCHANGE_REPEATS_SECONDS = 60.0

Via = Literal["api", "browser"]


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
    def request_id(self) -> str: ...


class ExchangeAttempt(AppAttempt, Protocol):
    """What the exchanging statement is told of an attempt."""

    @property
    def code_challenge(self) -> str | None: ...
    @property
    def request_id(self) -> str: ...


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
            *_bounds(attempts),
        )
        return _by_attempt(rows)

    async def exchange(self, attempts: Sequence[ExchangeAttempt]) -> dict[UUID, Row]:
        """Exchange what is free; return the rows of those who won, by attempt id."""
        rows = await self._pool.fetch(
            SQL.exchange,
            *_who(attempts),
            [attempt.code_challenge for attempt in attempts],
            [attempt.request_id for attempt in attempts],
            *_bounds(attempts),
        )
        return _by_attempt(rows)

    async def look(self, attempts: Sequence[AppAttempt]) -> dict[UUID, Row]:
        """Read where the links stand, by attempt id. A link that the attempt's app does not have is missing."""
        rows = await self._pool.fetch(SQL.look, *_who(attempts), *_bounds(attempts), EXCHANGE_REPEATS_SECONDS)
        return _by_attempt(rows)


def _who(attempts: Iterable[AppAttempt]) -> tuple[list[UUID], list[UUID], list[UUID | None]]:
    attempts = list(attempts)
    return (
        [attempt.link.link_id for attempt in attempts],
        [attempt.attempt_id for attempt in attempts],
        [attempt.app_id for attempt in attempts],
    )


def _bounds(attempts: Sequence[AppAttempt]) -> tuple[UUID, UUID]:
    ids = [attempt.link.link_id for attempt in attempts]
    return min(ids), max(ids)


def _by_attempt(rows: Iterable[Row]) -> dict[UUID, Row]:
    return {row["attempt_id"]: row for row in rows}
