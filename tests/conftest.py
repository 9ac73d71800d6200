"""Fixtures for every suite: real servers, a migrated database, apps with keys."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.dev.postgres import Postgres
from services.dev.redis import RedisServer
from services.dev.roles import make_database, make_logins, owner_url
from shared.bus import TOPICS
from shared.cache import Cache
from shared.database import Database, Pool, create_pool
from shared.sql.migrate import migrate
from tests.backends import (
    Kafka,
    kafka,
    own_kafka,
    own_postgres,
    own_redis,
    postgres,
    redis_server,
)
from tests.seeds import Seeds

__all__ = ["kafka", "own_kafka", "own_postgres", "own_redis", "postgres", "redis_server"]


@pytest.fixture(scope="session")
async def database_server(postgres: Postgres) -> Postgres:
    """The session's PostgreSQL with the database `magiclink`, migrated, and a login for each service."""
    await prepare_database(postgres)
    return postgres


async def prepare_database(server: Postgres) -> None:
    """Make and migrate the database of a server, and a login for each service."""
    await make_database(server)
    await asyncio.to_thread(migrate, owner_url(server))
    await make_logins(server)


@pytest.fixture
async def owner(database_server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may see everything, for looking at what services wrote."""
    connection = await asyncpg.connect(database_server.url(database="magiclink"))
    yield connection
    await connection.close()


@pytest.fixture
async def seeds(owner: asyncpg.Connection) -> Seeds:
    """Makes apps, keys and links directly in the database."""
    return Seeds(owner)


async def open_pool(server: Postgres, role: str) -> Pool:
    """A pool with a service's own rights."""
    return await create_pool(Database(server.url(role, "magiclink"), 4, f"test-{role}"))


@pytest.fixture
async def issuer_pool(database_server: Postgres) -> AsyncIterator[Pool]:
    pool = await open_pool(database_server, "issuer")
    yield pool
    await pool.close()


@pytest.fixture
async def notifier_pool(database_server: Postgres) -> AsyncIterator[Pool]:
    pool = await open_pool(database_server, "notifier")
    yield pool
    await pool.close()


@pytest.fixture
async def verifier_pool(database_server: Postgres) -> AsyncIterator[Pool]:
    pool = await open_pool(database_server, "verifier")
    yield pool
    await pool.close()


@pytest.fixture
async def cache(redis_server: RedisServer) -> AsyncIterator[Cache]:
    # A generous budget: these tests are about what Redis says, not about how fast this machine is.
    cache = Cache(redis_server.url, budget_seconds=2.0)
    yield cache
    await cache.close()


@pytest.fixture(scope="session")
async def topics(kafka: Kafka) -> Kafka:
    """The session's broker with the topics of the cluster."""
    from services.dev.topics import create_topics

    await create_topics({"bootstrap_servers": kafka.bootstrap}, TOPICS)
    return kafka


@pytest.fixture
def repository() -> Path:
    return Path(__file__).parent.parent
