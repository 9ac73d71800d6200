import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import asyncpg
import pytest

from services.dev.postgres import SUPERUSER, Postgres
from services.dev.redis import RedisServer
from services.issuer.tenancy import DIRECTORY_SQL, SQL
from shared.api_keys import SQL as API_KEYS_SQL
from shared.cache import Cache
from shared.database import Database, Pool, create_pool, prepare_all
from shared.sql.migrate import migrate
from tests.integration.issuer_tenancy.bench import Caller, Replica, new_caller, start_replica


@dataclass(frozen=True)
class Urls:
    """The migrated database, as its owner and as the issuer's login."""

    owner: str
    issuer: str


@pytest.fixture(scope="session")
async def crud_database(postgres: Postgres) -> Urls:
    name = f"crud_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(postgres.url())
    await connection.execute(f"CREATE DATABASE {name}")
    await asyncio.to_thread(migrate, postgres.url(SUPERUSER, name))
    await connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE magiclink_issuer")
    await connection.close()
    return Urls(postgres.url(SUPERUSER, name), postgres.url(name, name))


@pytest.fixture(scope="session")
async def owner(crud_database: Urls) -> AsyncIterator[Pool]:
    pool = await create_pool(Database(crud_database.owner, 4, "tests"))
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def issuer_pool(crud_database: Urls) -> AsyncIterator[Pool]:
    pool = await create_pool(Database(crud_database.issuer, 8, "issuer"))
    await prepare_all(pool, [SQL, DIRECTORY_SQL, API_KEYS_SQL])
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def cache(redis_server: RedisServer) -> AsyncIterator[Cache]:
    found = Cache(redis_server.url, budget_seconds=2.0)
    yield found
    await found.close()


@pytest.fixture(scope="session")
async def replica(issuer_pool: Pool, cache: Cache) -> AsyncIterator[Replica]:
    running = await start_replica(issuer_pool, cache)
    yield running
    await running.close()


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def shop(http: aiohttp.ClientSession, replica: Replica, owner: Pool) -> Caller:
    """A product with an app of its own."""
    return await new_caller(http, replica, owner)


@pytest.fixture
async def stranger(http: aiohttp.ClientSession, replica: Replica, owner: Pool) -> Caller:
    """Another product, that must see nothing of the first."""
    return await new_caller(http, replica, owner)


@pytest.fixture
async def operator(http: aiohttp.ClientSession, replica: Replica, owner: Pool) -> Caller:
    """A caller that administers every app."""
    return await new_caller(http, replica, owner, ["apps:admin", "users:read"])
