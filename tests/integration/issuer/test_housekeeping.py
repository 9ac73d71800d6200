"""Partitions of links come and go; messages go with their links. Nothing that is needed goes, and nobody is made to wait."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.issuer import housekeeping
from services.issuer.housekeeping import Housekeeping, Keeping, OldPartition
from shared.database import Pool
from tests.seeds import SeededApp, Seeds

KEEPING = Keeping(retention_days=100)


def monday(days_ago: int) -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    return today - timedelta(days=today.weekday())


@pytest.fixture
async def old_week(owner: asyncpg.Connection) -> AsyncIterator[str]:
    """A partition whose week ended 113 to 119 days ago."""
    name = await make_week(owner, monday(120))
    yield name
    if await owner.fetchval("SELECT to_regclass($1)", f"magiclink.{name}") is not None:
        await owner.execute(f"DROP TABLE magiclink.{name}")


async def make_week(owner: asyncpg.Connection, first: datetime) -> str:
    name = f"links_{first:%Y%m%d}"
    bounds = await owner.fetchrow(
        "SELECT magiclink.first_id($1) AS low, magiclink.first_id($2) AS high",
        first,
        first + timedelta(days=7),
    )
    assert bounds is not None
    await owner.execute(
        f"CREATE TABLE magiclink.{name} PARTITION OF magiclink.links"
        f" FOR VALUES FROM ('{bounds['low']}') TO ('{bounds['high']}')"
    )
    # Made by the owner of the schema, as the function makes them.
    await owner.execute(f"ALTER TABLE magiclink.{name} OWNER TO magiclink")
    return name


async def old_link(seeds: Seeds, app: SeededApp, made: datetime, *, ends_in: timedelta) -> UUID:
    link_id: UUID = await seeds.connection.fetchval("SELECT magiclink.first_id($1)", made)
    await seeds.connection.execute(
        "INSERT INTO magiclink.links (id, kid, app_id, user_id, type, channel, lane, locale, ttl_seconds, grant_ttl_seconds,"
        " created_at, not_before, expires_at)"
        " VALUES ($1, '1', $2, $3, 'login', 'none', 'bulk', 'en', 900, 60, $4, $4, now() + $5::interval)",
        link_id, app.id, await seeds.user(app), made, ends_in,
    )  # fmt: skip
    return link_id


async def is_attached(owner: asyncpg.Connection, name: str) -> bool:
    found: bool = await owner.fetchval(
        "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))", f"magiclink.{name}"
    )
    return found


async def exists(owner: asyncpg.Connection, name: str) -> bool:
    return await owner.fetchval("SELECT to_regclass($1)", f"magiclink.{name}") is not None


def names(dropped: list[OldPartition]) -> list[str]:
    return [old.name for old in dropped]


async def test_a_week_past_the_retention_goes_with_its_links(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection, old_week: str
) -> None:
    app = await seeds.app()
    link_id = await old_link(seeds, app, monday(120) + timedelta(days=2), ends_in=-timedelta(days=2))
    kept = await Housekeeping(issuer_pool, KEEPING).run()
    assert names(kept.dropped) == [old_week]
    assert not await exists(owner, old_week)
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE id = $1", link_id) == 0
    assert (await Housekeeping(issuer_pool, KEEPING).run()).dropped == []


async def test_a_week_within_the_retention_stays(
    issuer_pool: Pool, owner: asyncpg.Connection, old_week: str
) -> None:
    kept = await Housekeeping(issuer_pool, Keeping(retention_days=125)).run()
    assert kept.dropped == []
    assert await is_attached(owner, old_week)


@pytest.mark.parametrize(
    "ends_in", [timedelta(hours=1), timedelta(hours=-23)], ids=["live", "over for hours"]
)
async def test_a_week_with_a_live_link_stays(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection, old_week: str, ends_in: timedelta
) -> None:
    await old_link(
        seeds, await seeds.app(), monday(120) + timedelta(days=6, hours=23, minutes=59), ends_in=ends_in
    )
    kept = await Housekeeping(issuer_pool, KEEPING).run()
    assert (kept.alive, kept.dropped) == ([old_week], [])
    assert await is_attached(owner, old_week)


async def test_a_dry_look_changes_nothing(
    issuer_pool: Pool, owner: asyncpg.Connection, old_week: str
) -> None:
    ahead = Keeping(retention_days=100, weeks_ahead=9)
    kept = await Housekeeping(issuer_pool, ahead).look()
    assert names(kept.dropped) == [old_week]
    assert kept.made == [f"links_{monday(-63):%Y%m%d}"]
    assert await is_attached(owner, old_week)
    assert not await exists(owner, kept.made[0])


async def test_no_partition_is_dropped_before_every_link_of_it_must_be_over(
    issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    name = await make_week(owner, monday(61))
    try:
        with pytest.raises(asyncpg.InvalidParameterValueError, match="ended 61 days ago"):
            await issuer_pool.fetchval("SELECT magiclink.detach_link_partition($1, 0)", name)
        assert await is_attached(owner, name)
    finally:
        await owner.execute(f"DROP TABLE magiclink.{name}")


@pytest.mark.parametrize(
    "name", ["links_default", "users", "links_20200106; DROP TABLE x", 'links_20200106"']
)
async def test_nothing_but_a_detached_week_can_be_dropped(issuer_pool: Pool, name: str) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="is not"):
        await issuer_pool.fetchval("SELECT magiclink.detach_link_partition($1, 100)", name)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="is not"):
        await issuer_pool.fetchval("SELECT magiclink.drop_link_partition($1)", name)


async def test_an_attached_week_cannot_be_dropped(
    issuer_pool: Pool, owner: asyncpg.Connection, old_week: str
) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="is not a detached partition"):
        await issuer_pool.fetchval("SELECT magiclink.drop_link_partition($1)", old_week)
    assert await is_attached(owner, old_week)


async def test_a_drop_that_was_interrupted_is_finished(
    issuer_pool: Pool, owner: asyncpg.Connection, old_week: str
) -> None:
    await owner.execute(f"ALTER TABLE magiclink.links DETACH PARTITION magiclink.{old_week}")
    kept = await Housekeeping(issuer_pool, KEEPING).run()
    assert names(kept.dropped) == [old_week]
    assert not await exists(owner, old_week)


async def test_no_other_role_may_drop_a_week(verifier_pool: Pool, notifier_pool: Pool, old_week: str) -> None:
    for pool in (verifier_pool, notifier_pool):
        for call in (
            "make_link_partition(8)",
            f"detach_link_partition('{old_week}', 100)",
            f"drop_link_partition('{old_week}')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.fetchval(f"SELECT magiclink.{call}")


async def test_who_waits_for_a_lock_gives_up_before_requests_queue_behind_it(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection, old_week: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_LOCK_TRIES", 2)
    monkeypatch.setattr(housekeeping, "_LOCK_PAUSE_SECONDS", 0.01)
    last = f"links_{monday(-56):%Y%m%d}"
    await owner.execute(f"DROP TABLE magiclink.{last}")
    link = await seeds.link(await seeds.app())
    async with owner.transaction():
        # A slow report of somebody's, which reads every partition.
        await owner.fetchval("SELECT count(*) FROM magiclink.links")
        house = asyncio.create_task(Housekeeping(issuer_pool, KEEPING).run())
        slowest = 0.0
        loop = asyncio.get_running_loop()
        while not house.done():
            started = loop.time()
            await issuer_pool.fetchval("SELECT count(*) FROM magiclink.links WHERE id = $1", link.id)
            slowest = max(slowest, loop.time() - started)
        kept = await house
    assert (kept.busy, kept.made, kept.dropped) == ([last, old_week], [], [])
    assert slowest < 1.0  # far below a request's lock timeout of two seconds
    kept = await Housekeeping(issuer_pool, KEEPING).run()
    assert (kept.busy, kept.made, names(kept.dropped)) == ([], [last], [old_week])


async def test_replicas_that_keep_house_at_once_do_everything_once(
    issuer_pool: Pool, owner: asyncpg.Connection, old_week: str
) -> None:
    last = f"links_{monday(-56):%Y%m%d}"
    await owner.execute(f"DROP TABLE magiclink.{last}")
    rounds = await asyncio.gather(*(Housekeeping(issuer_pool, KEEPING).run() for _ in range(4)))
    assert [name for kept in rounds for name in kept.made] == [last]
    assert [name for kept in rounds for name in names(kept.dropped)] in ([old_week], [])
    await Housekeeping(issuer_pool, KEEPING).run()
    assert not await exists(owner, old_week)
    assert await is_attached(owner, last)


async def test_a_made_partition_takes_links_and_finds_them_by_index(
    issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    last = f"links_{monday(-56):%Y%m%d}"
    await owner.execute(f"DROP TABLE magiclink.{last}")
    await Housekeeping(issuer_pool, KEEPING).run()
    attached = await owner.fetch(
        "SELECT parent.relname::text AS of FROM pg_index x JOIN pg_inherits i ON i.inhrelid = x.indexrelid"
        " JOIN pg_class parent ON parent.oid = i.inhparent WHERE x.indrelid = to_regclass($1) ORDER BY 1",
        f"magiclink.{last}",
    )
    assert [row["of"] for row in attached] == ["links_pkey", "links_user"]


async def test_every_partition_keeps_room_for_the_consumption_of_its_links(
    issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    last = f"links_{monday(-56):%Y%m%d}"
    await owner.execute(f"DROP TABLE magiclink.{last}")
    await Housekeeping(issuer_pool, KEEPING).run()
    rows = await owner.fetch(
        "SELECT c.reloptions FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'magiclink.links'::regclass"
    )
    assert len(rows) >= 10
    assert all("fillfactor=90" in (row["reloptions"] or ()) for row in rows)


async def message(seeds: Seeds, app: SeededApp, days: int, **columns: Any) -> UUID:
    values = {"lease_until": None, "status": "accepted", **columns}
    message_id: UUID = await seeds.connection.fetchval(
        "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, created_at, lease_until, status)"
        " SELECT magiclink.first_id(now() - make_interval(days => $3)), gen_random_uuid(), $1, $2, 'email', 'x', 'en', 'bulk', now(), $4, $5"
        " RETURNING id",
        app.id, await seeds.user(app), days, values["lease_until"], values["status"],
    )  # fmt: skip
    await seeds.connection.execute(
        "INSERT INTO magiclink.message_attempts (message_id, attempt, started_at, finished_at, outcome)"
        " VALUES ($1, 1, now(), now(), 'delivered')",
        message_id,
    )
    return message_id


async def test_messages_go_with_their_attempts_when_links_of_their_age_do(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    young = await message(seeds, app, 99)
    old = await message(seeds, app, 101)
    leased = await message(
        seeds, app, 102, lease_until=datetime.now(UTC) + timedelta(days=1), status="queued"
    )
    kept = await Housekeeping(issuer_pool, KEEPING).run()
    assert kept.deleted["messages"] >= 1
    for table, column in (("messages", "id"), ("message_attempts", "message_id")):
        rows = await owner.fetch(
            f"SELECT {column} AS id FROM magiclink.{table} WHERE {column} = ANY ($1::uuid[])",
            [young, old, leased],
        )
        assert {row["id"] for row in rows} == {young, leased}, table
