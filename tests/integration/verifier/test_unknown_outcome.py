"""The connection dies around COMMIT: what the lost statement did is read before anything is run again (DESIGN §4 step 4)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.verifier.attempt import Attempt
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange, GrantAttempt
from services.verifier.store import SQL, VerifierStore
from shared.cache import Cache
from shared.claims import claim_key
from shared.database import Pool
from shared.errors import LinkConsumed, Unavailable
from shared.outbox import OutboxBell
from tests.seeds import SeededApp, SeededLink, Seeds, one_row

LOST = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class BreakingPool:
    """Passes statements on to the real pool; each entry of `plan` breaks one writing statement.

    `after`: the statement commits and its answer is lost. `before`: it never arrives. `away`: nothing does from then on.
    """

    def __init__(self, pool: Pool, plan: list[str]) -> None:
        self._pool = pool
        self._plan = plan
        self.sent: list[str] = []

    async def fetch(self, query: str, *args: Any) -> Any:
        self.sent.append("look" if query == SQL.look else "write")
        if self._plan and self._plan[0] == "away":
            raise ConnectionRefusedError
        what = self._plan.pop(0) if self._plan and query != SQL.look else "work"
        if what == "before":
            raise LOST
        rows = await self._pool.fetch(query, *args)
        if what == "after":
            raise LOST
        if what == "after, then away":
            self._plan.insert(0, "away")
            raise LOST
        return rows

    def come_back(self) -> None:
        self._plan.clear()


@pytest.fixture
async def bell(verifier_pool: Pool) -> AsyncIterator[OutboxBell]:
    bell = OutboxBell(verifier_pool)
    yield bell
    await bell.close()


@pytest.fixture
async def app(seeds: Seeds) -> SeededApp:
    return await seeds.app()


def attempt_on(link: SeededLink, app: SeededApp) -> Attempt:
    return Attempt(link.ref, uuid4(), app.id, "api", "r")


async def test_the_winner_whose_answer_was_lost_is_told_that_it_won(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, app: SeededApp
) -> None:
    pool = BreakingPool(verifier_pool, ["after"])
    consume = Consume(VerifierStore(pool), cache, bell)  # type: ignore[arg-type]
    link = await seeds.link(app)
    attempt = attempt_on(link, app)
    redeemed = await consume.consume(attempt)
    assert redeemed.row["consumed_by"] == attempt.attempt_id
    assert pool.sent == ["write", "look"]  # read first, and nothing to run again
    events = await seeds.connection.fetchval(
        "SELECT count(*) FROM magiclink.outbox WHERE key = $1", str(link.user_id)
    )
    assert events == 1


async def test_a_statement_that_never_arrived_is_run_again_with_the_same_attempts(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, app: SeededApp
) -> None:
    pool = BreakingPool(verifier_pool, ["before", "before"])
    consume = Consume(VerifierStore(pool), cache, bell)  # type: ignore[arg-type]
    attempt = attempt_on(await seeds.link(app), app)
    assert (await consume.consume(attempt)).row["consumed_by"] == attempt.attempt_id
    assert pool.sent == ["write", "look", "write", "look", "write"]


async def ride_together(consume: Consume, attempts: list[Attempt]) -> list[Any]:
    """Send attempts as one flush: through the door, the first ones would fly alone."""
    return list(await consume._transition._fly(attempts))


async def test_in_a_lost_batch_each_attempt_gets_its_own_answer(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, app: SeededApp
) -> None:
    """One link was consumed by somebody else before, the others by the lost statement."""
    taken, *links = [await seeds.link(app) for _ in range(6)]
    await Consume(VerifierStore(verifier_pool), cache, bell).consume(attempt_on(taken, app))
    pool = BreakingPool(verifier_pool, ["after"])
    consume = Consume(VerifierStore(pool), cache, bell)  # type: ignore[arg-type]
    attempts = [attempt_on(link, app) for link in (taken, *links)]
    verdicts = await ride_together(consume, attempts)
    assert [verdict.state for verdict in verdicts] == ["consumed", *["redeemed"] * 5]
    assert [verdict.row["consumed_by"] for verdict in verdicts[1:]] == [a.attempt_id for a in attempts[1:]]
    assert pool.sent == ["write", "look"]


async def test_an_outcome_that_stays_unknown_is_503_and_the_same_attempt_gets_its_answer_later(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, app: SeededApp
) -> None:
    pool = BreakingPool(verifier_pool, ["after, then away"])
    consume = Consume(VerifierStore(pool), cache, bell)  # type: ignore[arg-type]
    link = await seeds.link(app)
    attempt = attempt_on(link, app)
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable) as refused:
        await consume.consume(attempt)
    assert refused.value.retry_after_seconds == 1
    assert asyncio.get_running_loop().time() - started < 3
    pool.come_back()
    assert (await consume.consume(attempt)).row["consumed_by"] == attempt.attempt_id
    with pytest.raises(LinkConsumed):
        await consume.consume(attempt_on(link, app))


async def test_an_unknown_outcome_leaves_no_lease_behind(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, redis_client: Any
) -> None:
    app = await seeds.app()
    pool = BreakingPool(verifier_pool, ["away"])
    consume = Consume(VerifierStore(pool), cache, bell)  # type: ignore[arg-type]
    link = await seeds.link(app)
    with pytest.raises(Unavailable):
        await consume.consume(attempt_on(link, app))
    assert await redis_client.get(claim_key(link.id)) is None
    pool.come_back()
    assert await consume.consume(attempt_on(link, app))


async def test_winners_are_told_so_even_when_the_others_cannot_be_answered(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, app: SeededApp
) -> None:
    """The write is answered, then the read that judges the losers fails."""

    class AwayAfterWrite(BreakingPool):
        async def fetch(self, query: str, *args: Any) -> Any:
            if query == SQL.look:
                raise ConnectionRefusedError
            return await super().fetch(query, *args)

    free, late = await seeds.link(app), await seeds.link(app, lives_seconds=-1)
    consume = Consume(VerifierStore(AwayAfterWrite(verifier_pool, [])), cache, bell)  # type: ignore[arg-type]
    won, lost = await ride_together(consume, [attempt_on(free, app), attempt_on(late, app)])
    assert won.state == "redeemed"
    assert isinstance(lost, Unavailable)


async def test_a_lost_exchange_is_resolved_likewise(
    verifier_pool: Pool, cache: Cache, bell: OutboxBell, seeds: Seeds, app: SeededApp
) -> None:
    link = await seeds.link(app)
    store = VerifierStore(verifier_pool)
    await Consume(store, cache, bell).consume(Attempt(link.ref, uuid4(), None, "browser", "r"))
    pool = BreakingPool(verifier_pool, ["after"])
    exchange = Exchange(VerifierStore(pool), bell)  # type: ignore[arg-type]
    attempt = GrantAttempt(link.ref, uuid4(), app.id, "r")
    assert (await exchange.exchange(attempt)).row["exchanged_by"] == attempt.attempt_id
    row = await one_row(seeds.connection, "SELECT * FROM magiclink.links WHERE id = $1", link.id)
    assert row["sequence"] == 3
