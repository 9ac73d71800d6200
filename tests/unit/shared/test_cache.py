from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import NoScriptError

from shared.batching import Batcher, BatchLimits
from shared.cache import BREAK_SECONDS, Cache, CacheAway, Script
from shared.errors import RateLimited
from shared.limits import FailOpenBucket

BUCKET = Script("bucket")


class Redis:
    """Stands in for the client: knows the scripts that it was given, and may be away."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.pipelines: list[list[tuple[Any, ...]]] = []
        self.error: Exception | None = None
        self.reply: Any = [1, 0, 599]

    def pipeline(self, *, transaction: bool) -> "Redis":
        assert not transaction
        self.pipelines.append([])
        return self

    def execute_command(self, *command: Any) -> None:
        self.pipelines[-1].append(command)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        if self.error is not None:
            raise self.error
        return [
            self.reply if sha in self.known else NoScriptError("none") for _, sha, *_ in self.pipelines[-1]
        ]

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
    assert await cache.run(BUCKET, ["k"], 600, 1) == [1, 0, 599]
    assert await cache.run(BUCKET, ["k"], 600, 1) == [1, 0, 599]
    assert redis.pipelines == [[("EVALSHA", BUCKET.sha, 1, "k", 600, 1)]] * 3


async def test_while_redis_is_broken_nobody_waits_for_it(redis_and_cache: Parts) -> None:
    redis, cache, clock = redis_and_cache
    redis.error = RedisAway("gone")
    for _ in range(3):
        with pytest.raises(CacheAway):
            await cache.run(BUCKET, ["k"], 600, 1)
    assert len(redis.pipelines) == 1
    redis.error = None
    clock.now += BREAK_SECONDS
    assert await cache.run(BUCKET, ["k"], 600, 1) == [1, 0, 599]


async def test_a_full_queue_means_going_on_without_redis(redis_and_cache: Parts) -> None:
    # Not a 503: after a commit that would hide from the winner that it has won.
    _, cache, _ = redis_and_cache
    cache._batcher = Batcher("redis", cache._flush, limits=BatchLimits(queue=0))
    with pytest.raises(CacheAway):
        await cache.run(BUCKET, ["k"], 600, 1)


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
