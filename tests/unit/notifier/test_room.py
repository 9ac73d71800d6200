"""Places for deliveries: never more than there are, at once when idle, several together when busy."""

import asyncio
from time import monotonic

import pytest

from services.notifier.room import Room


async def test_an_idle_room_gives_what_is_wanted_at_once() -> None:
    room = Room(8, "test")
    assert await asyncio.wait_for(room.take(5), 0.002) == 5
    assert await room.take(5) == 3


async def test_a_full_room_gives_together_what_comes_free_within_moments() -> None:
    room = Room(4, "test")
    await room.take(4)
    taking = asyncio.create_task(room.take(4))
    await asyncio.sleep(0)
    for _ in range(3):
        room.give_back(1)
        await asyncio.sleep(0)
    assert await taking == 3


async def test_no_more_run_at_once_than_there_are_places() -> None:
    room = Room(3, "test")
    running = most = done = 0

    async def work() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        done += 1

    left = 30
    while left:
        taken = await room.take(left)
        left -= taken
        for _ in range(taken):
            room.fill(work())
    await room.drain()
    assert (most, done) == (3, 30)


async def test_a_slow_delivery_holds_its_own_place_alone() -> None:
    room = Room(2, "test")
    await room.take(2)
    room.give_back(1)
    started = monotonic()
    assert await room.take(2) == 1
    assert monotonic() - started < 0.5


async def test_the_first_fault_of_any_of_them_is_raised_to_who_watches() -> None:
    room = Room(1, "test")

    async def fail() -> None:
        raise LookupError("expected")

    await room.take(1)
    room.fill(fail())
    with pytest.raises(LookupError, match="expected"):
        await asyncio.wait_for(room.watch(), 1)
    assert await room.take(1) == 1
