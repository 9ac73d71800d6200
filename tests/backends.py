"""Real servers for tests: one of each for the whole session, and fresh ones to break.

The variables MAGICLINK_DEV_POSTGRES_BIN, MAGICLINK_DEV_REDIS_SERVER and MAGICLINK_DEV_KAFKA_JARS run the same tests on Debian's
PostgreSQL and Redis and on Apache Kafka.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.dev.backends import make_broker
from services.dev.kafka import ApacheKafka, Tansu
from services.dev.ports import choose_unfixed
from services.dev.postgres import Postgres
from services.dev.redis import RedisServer
from services.dev.topics import create_topics

Kafka = Tansu | ApacheKafka

# A PGPORT of the user's shell is about another server than ours.
for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """The session's PostgreSQL, without any database of ours. Make one's own database in it; leave it running."""
    server = new_postgres(tmp_path_factory.mktemp("postgres"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def redis_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    """The session's Redis. Tests share its keys: use keys of one's own."""
    server = new_redis(tmp_path_factory.mktemp("redis"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kafka]:
    """The session's broker, without topics. Make topics of one's own names."""
    broker = new_kafka(tmp_path_factory.mktemp("kafka"))
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[Postgres]:
    """A fresh PostgreSQL, running, for this test to stop and kill."""
    server = new_postgres(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A fresh Redis, running, for this test to stop and kill."""
    server = new_redis(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[Kafka]:
    """A fresh broker, running, for this test to stop and kill."""
    broker = new_kafka(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


async def new_topic(broker: Kafka) -> str:
    """Make a topic of one's own; Apache Kafka makes none by itself here."""
    topic = f"t-{uuid4()}"
    await create_topics({"bootstrap_servers": broker.bootstrap}, {topic: 4})
    return topic


def new_postgres(folder: Path) -> Postgres:
    return Postgres(folder / "postgres", folder / "logs" / "postgres.log")


def new_redis(folder: Path) -> RedisServer:
    return RedisServer(folder / "redis", choose_unfixed(["redis"])["redis"], folder / "logs" / "redis.log")


def new_kafka(folder: Path) -> Kafka:
    ports = choose_unfixed(["kafka", "controller"])
    return make_broker(folder, ports["kafka"], ports["controller"])
