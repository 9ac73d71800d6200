"""G1, G4 and G8 under races and failures: one winner a link, and never a burned one."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.dev.postgres import Postgres
from services.dev.redis import RedisServer
from tests.conftest import prepare_database
from tests.integration.verifier.conftest import running_verifier, verifier_settings
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import SeededApp, SeededLink, Seeds

REDEEMERS = 50


async def _storm(sides: list[RunningVerifier], app: SeededApp, link: SeededLink) -> list[Answer]:
    """Redeem one link by many at once: every attempt its own, half of them browsers, over all verifiers."""
    return await asyncio.gather(
        *(
            sides[n % len(sides)].press(link.token)
            if n % 4 < 2
            else sides[n % len(sides)].verify(app, link.token, f"attempt-{n}")
            for n in range(REDEEMERS)
        )
    )


def _winners(answers: list[Answer]) -> int:
    assert {answer.status for answer in answers} <= {200, 303, 409}
    return sum(answer.status in (200, 303) for answer in answers)


async def _events(owner: asyncpg.Connection, link: SeededLink) -> int:
    sql = "SELECT count(*) FROM magiclink.outbox WHERE convert_from(value, 'UTF8') LIKE '%consumed.v1%' AND key = $1"
    return int(await owner.fetchval(sql, str(link.user_id)))


async def test_of_fifty_redeemers_on_two_replicas_one_wins(
    verifier: RunningVerifier, second_verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    for _ in range(4):
        app = await seeds.app()
        link = await seeds.link(app)
        assert _winners(await _storm([verifier, second_verifier], app, link)) == 1
        assert await _events(owner, link) == 1


async def test_one_wins_also_when_redis_is_flushed_all_the_time(
    database_server: Postgres, own_redis: RedisServer, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    import redis.asyncio

    client = redis.asyncio.Redis.from_url(own_redis.url)
    enough = asyncio.Event()
    flushing = asyncio.create_task(_flush_until(client, enough))
    settings = [verifier_settings(database_server, own_redis.url) for _ in range(2)]
    async with running_verifier(settings[0]) as one, running_verifier(settings[1]) as two:
        for _ in range(4):
            app = await seeds.app()
            link = await seeds.link(app)
            assert _winners(await _storm([one, two], app, link)) == 1
            assert await _events(owner, link) == 1
    enough.set()
    await flushing
    await client.aclose()


async def test_without_redis_links_are_verified_all_the_same_and_still_once(
    database_server: Postgres, own_redis: RedisServer, seeds: Seeds
) -> None:
    """Stopped in the middle of a storm, then away, then back and empty."""
    settings = [verifier_settings(database_server, own_redis.url, redis_budget_ms=200) for _ in range(2)]
    app = await seeds.app()
    used = await seeds.link(app)
    async with running_verifier(settings[0]) as one, running_verifier(settings[1]) as two:
        assert (await one.verify(app, used.token, "mine")).status == 200
        storm = asyncio.create_task(_storm([one, two], app, await seeds.link(app)))
        await asyncio.sleep(0.01)
        await own_redis.kill()
        assert _winners(await storm) == 1
        assert _winners(await _storm([one, two], app, await seeds.link(app))) == 1
        assert (await two.verify(app, used.token)).code == "link_consumed"
        assert (await two.verify(app, used.token, "mine")).status == 200
        await own_redis.start(empty=True)
        assert (await two.verify(app, used.token)).code == "link_consumed"
        assert _winners(await _storm([one, two], app, await seeds.link(app))) == 1


async def test_a_batch_with_locked_rows_wins_the_free_ones_and_waits_for_the_others(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    links = [await seeds.link(app) for _ in range(12)]
    locked = links[::3]
    async with owner.transaction():
        await owner.fetch(
            "SELECT id FROM magiclink.links WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
            [link.id for link in locked],
        )
        asked = [asyncio.create_task(verifier.verify(app, link.token, f"k{link.id}")) for link in links]
        free = [task for link, task in zip(links, asked, strict=True) if link not in locked]
        done, _ = await asyncio.wait(free, timeout=5)
        assert len(done) == len(free)
        await asyncio.sleep(0.1)
    answers = await asyncio.gather(*asked)
    assert [answer.status for answer in answers] == [200] * len(links)


async def test_a_row_that_stays_locked_is_in_progress_and_free_afterwards(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    async with owner.transaction():
        await owner.fetch("SELECT id FROM magiclink.links WHERE id = $1 FOR UPDATE", link.id)
        answer = await verifier.verify(app, link.token)
        assert (answer.status, answer.code) == (409, "link_in_progress")
    assert (await verifier.verify(app, link.token)).status == 200


async def test_a_revocation_that_commits_first_wins(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    async with owner.transaction():
        await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", link.id)
        asked = asyncio.create_task(verifier.verify(app, link.token))
        await asyncio.sleep(0.1)
    assert (await asked).code == "link_revoked"


async def test_killed_backends_burn_no_link_and_win_none_twice(
    verifier: RunningVerifier, second_verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    """Backends are ended at random around the commits; afterwards each attempt finds its answer."""
    app = await seeds.app()
    links = [await seeds.link(app) for _ in range(120)]
    killing = asyncio.create_task(_kill_for_ever(owner))
    tasks = []
    for n, link in enumerate(links):
        side = (verifier, second_verifier)[n % 2]
        tasks += [asyncio.create_task(side.verify(app, link.token, f"{who}-{n}")) for who in ("a", "b")]
        if n % 10 == 9:
            await asyncio.sleep(0.02)
    answers = await asyncio.gather(*tasks)
    killing.cancel()
    await asyncio.wait([killing])
    assert {answer.status for answer in answers} <= {200, 409, 503}
    for n, link in enumerate(links):
        first = [answers[2 * n], answers[2 * n + 1]]
        again = [await verifier.verify(app, link.token, f"{who}-{n}") for who in ("a", "b")]
        assert sorted(answer.status for answer in again) == [200, 409]
        # Whoever was told so the first time is told so again.
        for early, late in zip(first, again, strict=True):
            assert early.status in (late.status, 503) or early.code == "link_in_progress"
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.outbox WHERE key = $1", str(link.user_id)) == 120
    )


@pytest.fixture
async def own_seeds(own_postgres: Postgres) -> AsyncIterator[Seeds]:
    await prepare_database(own_postgres)
    connection = await asyncpg.connect(own_postgres.url(database="magiclink"))
    yield Seeds(connection)
    await connection.close()


async def test_while_postgresql_is_away_the_answer_is_503_and_afterwards_every_link_works(
    own_postgres: Postgres, own_seeds: Seeds, redis_server: RedisServer
) -> None:
    app = await own_seeds.app()
    used, fresh, browsed = [await own_seeds.link(app) for _ in range(3)]
    async with running_verifier(verifier_settings(own_postgres, redis_server.url)) as side:
        assert (await side.verify(app, used.token, "mine")).status == 200
        assert (await side.press(browsed.token, "C" * 32)).status == 303
        await own_postgres.kill()
        answers = await asyncio.gather(
            side.verify(app, fresh.token, "k"), side.verify(app, used.token, "mine"), side.get(fresh.token)
        )
        assert [answer.status for answer in answers] == [503, 503, 503]
        assert all(answer.headers["Retry-After"] == "1" for answer in answers)
        assert (await side.press(fresh.token)).status == 503
        # A storm of replays needs no PostgreSQL at all.
        assert (await side.verify(app, used.token, "another")).code == "link_consumed"
        await own_postgres.start()
        assert (await side.verify(app, fresh.token, "k")).status == 200
        assert (await side.verify(app, used.token, "mine")).status == 200
        assert (await side.press(browsed.token, "C" * 32)).status == 303


async def _flush_until(client: Any, enough: asyncio.Event) -> None:
    # Told, not cancelled: redis-py may swallow a cancellation in the middle of a command, and the flushing would go on for ever.
    while not enough.is_set():
        await client.flushall()
        await asyncio.sleep(0.002)


async def _kill_for_ever(owner: asyncpg.Connection) -> None:
    pause = random.Random(7)  # noqa: S311 - a race, not a secret
    while True:
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'verifier' AND query LIKE '%magiclink.links%'"
        )
        await asyncio.sleep(pause.uniform(0.001, 0.03))
