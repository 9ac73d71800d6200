import asyncio
from typing import cast

import asyncpg

from shared.database import Pool
from shared.outbox import RELAY_LANES, WAKE_CHANNEL, OutboxBell


class FakePool:
    """Stands in for the pool's one statement; the real one is tested with the relay."""

    def __init__(self, error: Exception | None = None) -> None:
        self.notified: list[str] = []
        self.told: list[str] = []
        self.asked, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.error = error

    async def execute(self, _: str, channel: str, lanes: str) -> None:
        self.asked.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.notified.append(channel)
        self.told.append(lanes)


def bell_of(pool: FakePool) -> OutboxBell:
    return OutboxBell(cast(Pool, pool))


async def test_a_ring_notifies() -> None:
    pool = FakePool()
    bell = bell_of(pool)
    bell.ring()
    await bell.close()
    assert pool.notified == [WAKE_CHANNEL]


async def test_many_rings_are_one_notification() -> None:
    pool = FakePool()
    bell = bell_of(pool)
    for _ in range(1000):
        bell.ring()
    await bell.close()
    assert pool.notified == [WAKE_CHANNEL]


async def test_a_ring_during_a_notification_is_not_lost() -> None:
    # The notification under way may have been sent before the commit that this ring tells of.
    pool = FakePool()
    bell = bell_of(pool)
    pool.gate.clear()
    bell.ring()
    await pool.asked.wait()
    bell.ring()
    pool.gate.set()
    await bell.close()
    assert pool.notified == [WAKE_CHANNEL] * 2


async def test_notifications_are_20_ms_apart() -> None:
    pool = FakePool()
    bell = bell_of(pool)
    loop = asyncio.get_running_loop()
    ends = loop.time() + 0.1
    while loop.time() < ends:
        bell.ring()
        await asyncio.sleep(0.001)
    await bell.close()
    assert 1 <= len(pool.notified) <= 7


async def test_relays_of_this_process_are_woken_at_once_and_nobody_else_is() -> None:
    pool = FakePool()
    bell = bell_of(pool)
    woken: list[tuple[str, ...]] = []
    bell.nearby = lambda lanes: woken.append(tuple(lanes))
    bell.ring()
    bell.ring("bulk")
    assert woken == [RELAY_LANES, ("bulk",)]
    await bell.close()
    assert pool.notified == []


async def test_a_notification_names_the_lanes_of_all_rings_it_stands_for() -> None:
    pool = FakePool()
    bell = bell_of(pool)
    bell.ring("interactive", "events")
    bell.ring("events")
    while not pool.told:
        await asyncio.sleep(0.001)
    bell.ring()
    await bell.close()
    assert pool.told == ["events,interactive", "bulk,events,interactive"]


async def test_a_database_that_is_away_loses_a_ring_and_nothing_else() -> None:
    pool = FakePool(asyncpg.ConnectionDoesNotExistError("gone"))
    bell = bell_of(pool)
    bell.ring()
    await bell.close()
    pool.error = None
    bell.ring()
    await bell.close()
    assert pool.notified == [WAKE_CHANNEL]


async def test_a_bell_that_never_rang_closes() -> None:
    await bell_of(FakePool()).close()
