import asyncio
from typing import cast

import pytest

from shared import stocked_limit
from shared.errors import RateLimited
from shared.limits import FailOpenBucket
from shared.stocked_limit import StockedBucket


class Bucket:
    """Stands in for the bucket in Redis: what was taken from it, and what was put back. `replies` waits to be set."""

    def __init__(self, per_minute: int, level: int | None = None) -> None:
        self.per_minute = per_minute
        self.level = per_minute if level is None else level
        self.calls: list[tuple[int, int]] = []
        self.replies = asyncio.Event()
        self.replies.set()

    async def take(self, who: str, tokens: int = 1, ahead: int = 0) -> int:
        self.calls.append((tokens, ahead))
        await self.replies.wait()
        if self.level < tokens:
            raise RateLimited(retry_after_seconds=1)
        taken = min(self.level, tokens + ahead)
        self.level -= taken
        return taken - tokens

    async def put_back(self, who: str, tokens: int) -> None:
        self.level += tokens


class HandClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def stocked(bucket: Bucket, clock: HandClock | None = None) -> StockedBucket:
    return StockedBucket(cast(FailOpenBucket, bucket), clock or HandClock())


async def test_who_comes_now_and_then_takes_one_token_at_a_time() -> None:
    bucket, clock = Bucket(60_000), HandClock()
    limit = stocked(bucket, clock)
    for _ in range(5):
        await limit.take("a")
        clock.now += 1
    assert bucket.calls == [(1, 0)] * 5


async def test_who_comes_often_costs_next_to_no_trips_and_not_one_token_more() -> None:
    bucket = Bucket(60_000)
    limit = stocked(bucket)
    for _ in range(10_000):
        await limit.take("a")
    assert len(bucket.calls) < 40
    at_hand = limit._stocks["a"].left
    assert bucket.level == 60_000 - 10_000 - at_hand
    assert at_hand < 600


async def test_a_stock_is_a_hundredth_of_the_bucket_at_most() -> None:
    bucket = Bucket(500)
    limit = stocked(bucket)
    for _ in range(400):
        await limit.take("a")
    assert max(ahead for _, ahead in bucket.calls) == 4


async def test_two_replicas_together_let_no_more_through_than_the_limit() -> None:
    bucket = Bucket(60_000, level=1000)
    replicas = [stocked(bucket), stocked(bucket)]
    passed = 0
    for number in range(3000):
        try:
            await replicas[number % 2].take("a")
        except RateLimited:
            continue
        passed += 1
    assert 990 <= passed <= 1000


async def test_who_comes_while_a_stock_is_fetched_takes_for_themselves_and_the_next_is_larger() -> None:
    bucket = Bucket(60_000)
    limit = stocked(bucket)
    bucket.replies.clear()
    tasks = [asyncio.create_task(limit.take("a")) for _ in range(50)]
    await asyncio.sleep(0)
    assert len(bucket.calls) == 50
    bucket.replies.set()
    await asyncio.gather(*tasks)
    await limit.take("a")
    assert bucket.calls[-1] == (1, 50)


async def test_a_refusal_leaves_the_next_one_free_to_ask() -> None:
    bucket = Bucket(60_000, level=0)
    limit = stocked(bucket)
    for _ in range(3):
        with pytest.raises(RateLimited):
            await limit.take("a")
    bucket.level = 5
    await limit.take("a")


async def test_a_call_that_takes_many_is_not_let_through_by_a_smaller_stock() -> None:
    bucket = Bucket(60_000)
    limit = stocked(bucket)
    for _ in range(6):
        await limit.take("a")
    left = limit._stocks["a"].left
    await limit.take("a", left + 1)
    assert bucket.calls[-1][0] == left + 1


async def test_what_nobody_used_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stocked_limit, "_KEEP_SECONDS", 0.02)
    bucket, clock = Bucket(60_000), HandClock()
    limit = stocked(bucket, clock)
    for _ in range(100):
        await limit.take("a")
    assert bucket.level < 60_000 - 100
    clock.now += 1
    await asyncio.sleep(0.1)
    assert bucket.level == 60_000 - 100
    await limit.take("a")
    assert bucket.calls[-1][1] < 100


async def test_somebody_with_very_many_addresses_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stocked_limit, "_MOST_HOLDERS", 10)
    limit = stocked(Bucket(60_000))
    for number in range(95):
        await limit.take(str(number))
    assert len(limit._stocks) <= 10
