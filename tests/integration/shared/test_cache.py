"""Redis: scripts in pipelines, a bounded wait, a breaker, one server and a cluster alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio

from services.dev.children import Child, Command, bare_environment
from services.dev.ports import HOST, choose_unfixed
from services.dev.redis import RedisServer, find_server
from shared.cache import Cache, CacheAway, Script
from shared.errors import RateLimited
from shared.limits import FailOpenBucket

BUCKET = Script("bucket")
CLAIM = Script("claim")


@pytest.fixture
async def cluster_url(tmp_path: Path) -> AsyncIterator[str]:
    """A Redis in cluster mode: one node with all slots, which routes and refuses as a large one does."""
    port = choose_unfixed(["redis"])["redis"]
    argv = [
        str(find_server()), "--port", str(port), "--bind", HOST, "--cluster-enabled", "yes", "--dir", str(tmp_path),
        "--save", "", "--appendonly", "no",
    ]  # fmt: skip
    child = Child("redis-cluster", Command(argv, tmp_path / "redis.log", bare_environment()))
    await child.start()
    node: Any = redis.asyncio.Redis(host=HOST, port=port)
    for _ in range(100):
        try:
            await node.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            break
        except redis.exceptions.ConnectionError:
            await asyncio.sleep(0.05)
    while b"cluster_state:ok" not in await node.execute_command("CLUSTER", "INFO"):
        await asyncio.sleep(0.05)
    await node.aclose()
    yield f"redis+cluster://{HOST}:{port}"
    await child.stop()


async def test_scripts_are_loaded_when_redis_forgot_them(cache: Cache, redis_server: RedisServer) -> None:
    client = redis.asyncio.Redis.from_url(redis_server.url)
    for _ in range(3):
        await client.script_flush()
        key = f"ml:{{{uuid4()}}}:claim"
        replies = await asyncio.gather(*(cache.run(CLAIM, key, f"a{n}", 1000) for n in range(5)))
        assert sorted(reply == b"go" for reply in replies) == [False] * 4 + [True]
    await client.aclose()


async def test_a_cluster_answers_as_one_server_does(cluster_url: str) -> None:
    cache = Cache(cluster_url, budget_seconds=5)
    keys = [f"ml:{{{uuid4()}}}:claim" for _ in range(200)]
    replies = await asyncio.gather(*(cache.run(CLAIM, key, "mine", 5000) for key in keys))
    assert set(replies) == {b"go"}
    replies = await asyncio.gather(*(cache.run(CLAIM, key, "other", 5000) for key in keys))
    assert set(replies) == {b"leased mine"}
    await cache.ping()
    assert await first_heard(cache) == "changed"
    await cache.close()


async def first_heard(cache: Cache) -> str:
    heard = asyncio.create_task(_listen_once(cache, "news"))
    while not heard.done():
        await cache.publish("news", "changed")
        await asyncio.sleep(0.05)
    return await heard


async def test_listening_lasts_while_nothing_is_said(cache: Cache) -> None:
    heard = asyncio.create_task(_listen_once(cache, "quiet"))
    await asyncio.sleep(2.5)  # longer than the socket's timeout
    assert not heard.done()
    while not heard.done():
        await cache.publish("quiet", "now")
        await asyncio.sleep(0.05)
    assert await heard == "now"


async def _listen_once(cache: Cache, channel: str) -> str:
    async with aclosing(cache.listen(channel)) as messages:
        return await anext(messages)


async def test_nobody_waits_past_the_budget_and_a_broken_redis_is_left_alone_for_a_while(
    own_redis: RedisServer,
) -> None:
    cache = Cache(own_redis.url, budget_seconds=0.05)
    for _ in range(20):  # the first connection may take longer than the budget
        try:
            await cache.run(CLAIM, f"ml:{{{uuid4()}}}:claim", "a", 1000)
            break
        except CacheAway:
            await asyncio.sleep(0.3)
    await own_redis.kill()
    started = monotonic()
    for _ in range(200):
        with pytest.raises(CacheAway):
            await cache.run(CLAIM, "ml:{x}:claim", "a", 1000)
    assert monotonic() - started < 2
    await own_redis.start()
    for _ in range(50):
        try:
            await cache.run(CLAIM, f"ml:{{{uuid4()}}}:claim", "a", 1000)
            break
        except CacheAway:
            await asyncio.sleep(0.1)
    else:
        pytest.fail("the breaker never closed again")
    await cache.close()


async def test_a_bucket_refills_and_is_shared_by_all_who_use_it(cache: Cache) -> None:
    who = str(uuid4())
    buckets = [FailOpenBucket(cache, "test", 600) for _ in range(2)]
    await asyncio.gather(*(buckets[n % 2].take(who) for n in range(600)))
    with pytest.raises(RateLimited) as refused:
        await buckets[0].take(who, 50)
    assert 0 < (refused.value.retry_after_seconds or 0) <= 5
    await asyncio.sleep(0.3)
    await buckets[1].take(who)


async def test_a_call_that_takes_more_than_a_bucket_holds_takes_a_full_one(cache: Cache) -> None:
    who, bucket = str(uuid4()), FailOpenBucket(cache, "test", 5)
    await bucket.take(who, 10)
    with pytest.raises(RateLimited) as refused:
        await bucket.take(who, 10)
    assert 0 < (refused.value.retry_after_seconds or 0) <= 60
