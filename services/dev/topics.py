"""Topics, made through the admin client before the first event is produced."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from services.dev.problems import DevProblem

REQUEST_TIMEOUT_MS = 5_000


async def create_topics(
    connection: Mapping[str, Any],
    topics: Mapping[str, int],
    *,
    replication_factor: int = 1,
    timeout_seconds: float = 30,
) -> None:
    """Make the topics (name to partitions) that do not exist yet. Raises `DevProblem` when the broker stays away.

    `connection` is what an aiokafka client is given to reach the broker. A replication factor of -1 leaves it to the broker.
    """
    deadline = time.monotonic() + timeout_seconds
    where = connection.get("bootstrap_servers")
    while True:
        try:
            return await asyncio.wait_for(
                _create_missing(connection, topics, replication_factor), timeout_seconds
            )
        except (KafkaError, OSError, TimeoutError) as error:
            passing = not isinstance(error, KafkaError) or error.retriable
            if not passing or time.monotonic() > deadline:
                raise DevProblem(f"no topics could be made on Kafka at {where}: {error!r}") from error
            await asyncio.sleep(0.1)


async def _create_missing(
    connection: Mapping[str, Any], topics: Mapping[str, int], replication_factor: int
) -> None:
    admin = AIOKafkaAdminClient(**connection, request_timeout_ms=REQUEST_TIMEOUT_MS)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [
            # aiokafka lets -1 through only beside assignments, of which none are meant.
            NewTopic(name, partitions, replication_factor, {} if replication_factor == -1 else None)
            for name, partitions in topics.items()
            if name not in existing
        ]
        if missing:
            _check(await admin.create_topics(missing))
    finally:
        await admin.close()


def _check(response: object) -> None:
    for topic, code, *_ in getattr(response, "topic_errors", []):
        error = for_code(code)
        if code != 0 and error is not TopicAlreadyExistsError:
            raise error(topic)
