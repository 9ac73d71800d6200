import asyncio
from collections.abc import AsyncIterator
from typing import Any

import hiredis
import pytest
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import NoScriptError

from shared.batching import Batcher, BatchLimits
from shared.cache import BREAK_SECONDS, Cache, CacheAway, Script
from shared.errors import RateLimited
from shared.limits import FailOpenBucket

BUCKET = Script("bucket")


def read(packed: bytes) -> tuple[Any, ...]:
    """Return a command as it was before it was packed."""
    reader = hiredis.Reader()
    reader.feed(packed)
    return tuple(int(word) if word.isdigit() else word.decode() for word in reader.gets())


class Redis:
    """Stands in for the client: knows the scripts that it was given, and may be away."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.pipelines: list[list[tuple[Any, ...]]] = []
        self.error: Exception | None = None
        self.reply: Any = [1, 0, 599]
        self.replies: list[tuple[Any, ...]] = []
        self.held = self.cut = 0

    @property
    def connection_pool(self) -> "Redis":
        return self

    async def get_connection(self) -> "Redis":
        self.held += 1
        return self

    async def release(self, _: "Redis") -> None:
        self.held -= 1

    async def disconnect(self, *, nowait: bool) -> None:
        assert nowait
        self.cut += 1

    async def send_packed_command(self, packed: list[bytes]) -> None:
        if self.error is not None:
            self.pipelines.append([])
            raise self.error
        self.pipelines.append([read(command) for command in packed])
        self.replies = list(self.pipelines[-1])

    async def read_response(self) -> Any:
        _, sha, count, *_ = self.replies.pop(0)
        if sha not in self.known:
            raise NoScriptError("none")
        return [self.reply] * count

    async def script_load(self, source: str) -> None:
        assert source == BUCKET.source
        self.known.add(BUCKET.sha)

    async def aclose(self) -> None:
        return


class HandClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis_and_cache() -> AsyncIterator[tuple[Redis, Cache, HandClock]]:
    clock = HandClock()
    cache = Cache("redis://127.0.0.1:1", budget_seconds=1, clock=clock)
    redis = Redis()
    cache._client = redis
    yield redis, cache, clock
    await cache.close()


Parts = tuple[Redis, Cache, HandClock]


async def test_a_redis_that_forgot_its_scripts_is_given_them_again(redis_and_cache: Parts) -> None:
    redis, cache, _ = redis_and_cache
    assert await cache.run(BUCKET, "k", 600, 1) == [1, 0, 599]
    assert await cache.run(BUCKET, "k", 600, 1) == [1, 0, 599]
    assert redis.pipelines == [[("EVALSHA", BUCKET.sha, 1, "k", 600, 1)]] * 3


async def test_while_redis_is_broken_nobody_waits_for_it(redis_and_cache: Parts) -> None:
    redis, cache, clock = redis_and_cache
    redis.error = RedisAway("gone")
    for _ in range(3):
        with pytest.raises(CacheAway):
            await cache.run(BUCKET, "k", 600, 1)
    assert len(redis.pipelines) == 1
    assert (redis.held, redis.cut) == (0, 1)
    redis.error = None
    clock.now += BREAK_SECONDS
    assert await cache.run(BUCKET, "k", 600, 1) == [1, 0, 599]


async def test_a_full_queue_means_going_on_without_redis(redis_and_cache: Parts) -> None:
    # Not a 503: after a commit that would hide from the winner that it has won.
    _, cache, _ = redis_and_cache
    cache._batcher = Batcher("redis", cache._flush, limits=BatchLimits(queue=0))
    with pytest.raises(CacheAway):
        await cache.run(BUCKET, "k", 600, 1)


async def test_a_limit_that_fails_open_lets_everything_through_while_redis_is_away(
    redis_and_cache: Parts,
) -> None:
    redis, cache, _ = redis_and_cache
    redis.error = RedisAway("gone")
    await FailOpenBucket(cache, "address", 600).take("203.0.113.9")


async def test_a_used_up_limit_says_when_to_come_back(redis_and_cache: Parts) -> None:
    redis, cache, _ = redis_and_cache
    redis.reply = [0, 2500, 0]
    with pytest.raises(RateLimited) as refused:
        await FailOpenBucket(cache, "address", 600).take("203.0.113.9")
    assert refused.value.retry_after_seconds == 2.5
    assert redis.pipelines[-1] == [
        ("EVALSHA", BUCKET.sha, 1, "ml:limit:address:203.0.113.9", 600, 1, 60_000, 1)
    ]


async def test_calls_of_one_script_that_come_together_are_one_command(redis_and_cache: Parts) -> None:
    redis, cache, _ = redis_and_cache
    redis.known.add(BUCKET.sha)
    found = await asyncio.gather(*(cache.run(BUCKET, f"k{n}", 600, n) for n in range(3)))
    assert found == [[1, 0, 599]] * 3
    assert redis.pipelines == [[("EVALSHA", BUCKET.sha, 3, "k0", "k1", "k2", 600, 0, 600, 1, 600, 2)]]


async def test_what_is_posted_reaches_redis_and_its_failure_reaches_nobody(redis_and_cache: Parts) -> None:
    redis, cache, clock = redis_and_cache
    redis.known.add(BUCKET.sha)
    cache.post(BUCKET, "k", 600, 1)
    assert await cache.run(BUCKET, "k", 600, 1) == [1, 0, 599]
    assert redis.pipelines[0][0][2] == 2
    redis.error = RedisAway("gone")
    cache.post(BUCKET, "k", 600, 1)
    await asyncio.sleep(0.01)
    clock.now += BREAK_SECONDS / 2
    cache.post(BUCKET, "k", 600, 1)  # while Redis is known to be broken it is not even tried
    await asyncio.sleep(0.01)
    assert len(redis.pipelines) == 2


async def test_a_closed_cache_takes_no_more_calls() -> None:
    cache = Cache("redis://127.0.0.1:1", budget_seconds=1)
    await cache.close()
    with pytest.raises(CacheAway):
        await cache.run(BUCKET, "k", 600, 1)
