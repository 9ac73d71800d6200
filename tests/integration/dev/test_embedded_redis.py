"""Redis: start, stop, crash, and a start with nothing in it."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from services.dev.problems import DevProblem
from services.dev.redis import RedisServer


@pytest.fixture
async def client(own_redis: RedisServer) -> AsyncIterator["redis.asyncio.Redis"]:
    made = redis.asyncio.Redis.from_url(own_redis.url)
    yield made
    await made.aclose()


async def test_a_stop_and_a_start_keep_the_keys(
    own_redis: RedisServer, client: "redis.asyncio.Redis"
) -> None:
    await client.set("kept", "42")
    await own_redis.stop()
    with pytest.raises((RedisError, OSError)):
        await client.ping()
    await own_redis.start()
    assert await client.get("kept") == b"42"


async def test_a_killed_server_starts_again(own_redis: RedisServer, client: "redis.asyncio.Redis") -> None:
    await own_redis.kill()
    assert not own_redis.running
    await own_redis.start()
    assert await client.ping()


async def test_it_can_be_started_empty(own_redis: RedisServer, client: "redis.asyncio.Redis") -> None:
    await client.set("forgotten", "42")
    await own_redis.stop()
    await own_redis.start(empty=True)
    await client.connection_pool.disconnect()
    assert await client.get("forgotten") is None


async def test_a_taken_port_is_a_problem_and_not_the_other_servers_data(own_redis: RedisServer) -> None:
    second = RedisServer(own_redis.data_dir.with_name("second"), own_redis.port, own_redis.log_path)
    with pytest.raises(DevProblem, match=r"(?s)Redis did not start.*in use"):
        await second.start()
    assert not second.running
