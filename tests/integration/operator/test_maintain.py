"""`magiclink maintain`: the sweeper's housekeeping at the command line."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.dev.postgres import Postgres
from shared.sql.migrate import migrate
from tests.programs import Program

DATABASE = "maintained"
OLD = "links_20240101"


@pytest.fixture
async def owner(database_server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """The owner of a database of its own, with one partition of long ago."""
    admin = await asyncpg.connect(database_server.url())
    await admin.execute(f"CREATE DATABASE {DATABASE} OWNER magiclink")
    url = database_server.url("magiclink", DATABASE)
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"CREATE TABLE magiclink.{OLD} PARTITION OF magiclink.links"
        " FOR VALUES FROM ('018cc251-0000-0000-0000-000000000000') TO ('018ce65e-0000-0000-0000-000000000000')"
    )
    yield connection
    await connection.close()
    await admin.execute(f"DROP DATABASE {DATABASE}")
    await admin.close()


@pytest.fixture
def program(database_server: Postgres, owner: asyncpg.Connection) -> Program:
    return Program(MAGICLINK_DATABASE_URL=database_server.url("issuer", DATABASE))


async def is_there(owner: asyncpg.Connection) -> bool:
    return await owner.fetchval("SELECT to_regclass($1)", f"magiclink.{OLD}") is not None


async def test_the_issuers_role_maintains_and_is_told_what_was_done(
    program: Program, owner: asyncpg.Connection
) -> None:
    planned = await program("maintain", "--dry-run", "--weeks-ahead", "9")
    assert planned.status == 0, planned.err
    assert f"would be dropped  {OLD}  about 0 links" in planned.out
    assert "would be made     links_" in planned.out
    assert await is_there(owner)

    done = await program("maintain", "--weeks-ahead", "9", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert [old["name"] for old in told["dropped"]] == [OLD]
    assert (len(told["made"]), told["alive"], told["busy"], told["retention_days"]) == (1, [], [], 100)
    assert told["deleted"]["messages"] == 0
    assert not await is_there(owner)
    assert (await program("maintain", "--weeks-ahead", "9")).out == "nothing to do"


async def test_links_stay_as_long_as_event_ids_that_answer_with_them(program: Program) -> None:
    program.environment |= {"MAGICLINK_RETENTION_DAYS": "70", "MAGICLINK_EVENT_RETENTION_DAYS": "365"}
    told = json.loads((await program("maintain", "--dry-run", "--json")).out)
    assert told["retention_days"] == 365


async def test_a_retention_shorter_than_a_link_may_live_is_refused(program: Program) -> None:
    refused = await program("maintain", "--retention-days", "60")
    assert refused.status == 2
    assert "61<=x<=3650" in refused.err


async def test_a_lock_that_is_not_to_be_had_is_told_with_a_status_of_its_own(
    program: Program, owner: asyncpg.Connection
) -> None:
    async with owner.transaction():
        await owner.fetchval("SELECT count(*) FROM magiclink.links")
        busy = await program("maintain")
    assert busy.status == 3
    assert f"busy     {OLD}: its lock was not to be had" in busy.out
    assert await is_there(owner)
