"""PostgreSQL, Redis and Kafka for a cluster: embedded ones, or servers of one's own where the environment names them."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from services.dev.binaries import run_quietly
from services.dev.children import bare_environment
from services.dev.kafka import ApacheKafka, Tansu, wants_apache_kafka
from services.dev.plan import WITH_DATABASE
from services.dev.postgres import Postgres
from services.dev.problems import DevProblem
from services.dev.redis import RedisServer
from services.dev.roles import make_database, make_logins, owner_url, service_urls
from services.dev.topics import create_topics
from shared import sql as migrations
from shared.bus import TOPICS, connection_options
from shared.settings import PREFIX, KafkaSettings

DIRECT_URL = "MAGICLINK_DATABASE_DIRECT_URL"
_VERSIONS = Path(migrations.__file__).parent / "versions"
_ADDRESS_FILES = (
    "_DATABASE_URL_FILE",
    "_DATABASE_DIRECT_URL_FILE",
    "_REDIS_URL_FILE",
    "_KAFKA_BOOTSTRAP_FILE",
)


class Part(Protocol):
    """Anything that a cluster starts and stops."""

    @property
    def running(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def kill(self) -> None: ...
    async def wait(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Backends:
    """The embedded servers; None where a server of one's own takes the place. `own` is the launcher's environment."""

    postgres: Postgres | None
    redis: RedisServer | None
    kafka: Tansu | ApacheKafka | None
    own: Mapping[str, str]

    def parts(self) -> dict[str, Part]:
        found = {"postgres": self.postgres, "redis": self.redis, "kafka": self.kafka}
        return {name: part for name, part in found.items() if part is not None}

    @property
    def database_url(self) -> str:
        """The owner's URL."""
        return owner_url(self.postgres) if self.postgres else self.own["MAGICLINK_DATABASE_URL"]

    @property
    def database_urls(self) -> dict[str, str]:
        """Each service's URL: of its own role, or of one's own server as far as the environment says."""
        if self.postgres:
            return service_urls(self.postgres)
        return {
            service: self.own.get(f"MAGICLINK_{service.upper()}_DATABASE_URL", self.database_url)
            for service in WITH_DATABASE
        }

    @property
    def redis_url(self) -> str:
        return self.redis.url if self.redis else self.own["MAGICLINK_REDIS_URL"]

    @property
    def kafka_bootstrap(self) -> str:
        return self.kafka.bootstrap if self.kafka else self.own["MAGICLINK_KAFKA_BOOTSTRAP"]

    @property
    def kafka_idempotence(self) -> bool:
        if self.kafka:
            return self.kafka.idempotence
        return self.own.get("MAGICLINK_KAFKA_IDEMPOTENCE", "true").lower() != "false"

    async def prepare_database(self) -> None:
        """Start the database, and bring it to the newest schema."""
        if self.postgres:
            await self.postgres.start()
            await make_database(self.postgres)
        if not (self.postgres and await has_newest_schema(self.database_url)):
            await migrate(self.own.get(DIRECT_URL, self.database_url))
        if self.postgres:
            await make_logins(self.postgres)

    async def prepare_kafka(self) -> None:
        """Start the broker, and make the topics."""
        if self.kafka:
            await self.kafka.start()
            await create_topics({"bootstrap_servers": self.kafka.bootstrap}, TOPICS)
        else:
            # How many copies there are is that cluster's own decision.
            await create_topics(connection_options(_kafka_settings(self.own)), TOPICS, replication_factor=-1)

    async def prepare_redis(self) -> None:
        if self.redis:
            await self.redis.start()


def choose_backends(data_dir: Path, ports: Mapping[str, int], own: Mapping[str, str]) -> Backends:
    """Decide for each backend between the embedded one and the one that `own` names. Starts nothing."""
    logs = data_dir / "logs"
    kafka: Tansu | ApacheKafka | None = None
    if "MAGICLINK_KAFKA_BOOTSTRAP" not in own:
        kafka = make_broker(data_dir, ports["kafka"], ports["kafka-controller"])
    return Backends(
        postgres=None
        if "MAGICLINK_DATABASE_URL" in own
        else Postgres(data_dir / "postgres", logs / "postgres.log"),
        redis=None
        if "MAGICLINK_REDIS_URL" in own
        else RedisServer(data_dir / "redis", ports["redis"], logs / "redis.log"),
        kafka=kafka,
        own=own,
    )


def make_broker(data_dir: Path, port: int, controller_port: int) -> Tansu | ApacheKafka:
    """Make the embedded broker, or Apache Kafka when MAGICLINK_DEV_KAFKA_JARS names its jars. Starts nothing."""
    folder, log = data_dir / "kafka", data_dir / "logs" / "kafka.log"
    if wants_apache_kafka():
        return ApacheKafka(folder, port, controller_port, log)
    return Tansu(folder, port, log)


async def has_newest_schema(database_url: str) -> bool:
    """Say whether the embedded database needs no migration. Asking takes 0.02 s; Alembic's own look, in its process, 0.8 s."""
    newest = max(path.name for path in _VERSIONS.glob("[0-9]*.py")).partition("_")[0]
    connection = await asyncpg.connect(database_url)
    try:
        found: str | None = await connection.fetchval("SELECT version_num FROM magiclink_schema_version")
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return found == newest


async def migrate(database_url: str) -> None:
    """Run `magiclink migrate` in a process of its own: Alembic sets up logging and more for its whole process.

    Raises `DevProblem` with its output.
    """
    environment = bare_environment() | {"MAGICLINK_DATABASE_URL": database_url}
    argv = [sys.executable, "-m", "services.cli", "migrate"]
    await run_quietly(argv, environment, "`magiclink migrate` failed")


def launcher_settings() -> dict[str, str]:
    """Return the `MAGICLINK_…` settings of this process's environment; server addresses also from their `…_FILE`."""
    own = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in [name for name in own if name.endswith(_ADDRESS_FILES)]:
        path = Path(own.pop(name))
        try:
            own.setdefault(name.removesuffix("_FILE"), path.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise DevProblem(f"{name}: {path} cannot be read: {error.strerror}") from None
    return own


def _kafka_settings(own: Mapping[str, str]) -> KafkaSettings:
    named = {name: PREFIX + name.upper() for name in KafkaSettings.model_fields}
    values: dict[str, Any] = {name: own[setting] for name, setting in named.items() if setting in own}
    return KafkaSettings(**values)
