import asyncio

import pytest

from shared.fresh import FreshCache


class Source:
    """Loads slowly, when told to, and counts."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer = "v1"

    async def load(self, key: str) -> str:
        self.loads.append(key)
        answer = self.answer
        await self.gate.wait()
        if answer == "broken":
            raise OSError("away")
        return f"{key} {answer}"


class HandClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_value_is_loaded_once_while_it_is_fresh() -> None:
    source, clock = Source(), HandClock()
    cache = FreshCache(source.load, ttl_seconds=5, clock=clock)
    assert await cache.get("a") == "a v1"
    source.answer = "v2"
    clock.now += 4.9
    assert await cache.get("a") == "a v1"
    clock.now += 0.2
    assert await cache.get("a") == "a v2"
    assert source.loads == ["a", "a"]


async def test_one_load_serves_all_who_wait_for_it() -> None:
    source = Source()
    source.gate.clear()
    cache = FreshCache(source.load, ttl_seconds=5)
    tasks = [asyncio.create_task(cache.get("a")) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*tasks[1:]) == ["a v1"] * 4
    assert source.loads == ["a"]


async def test_a_failure_is_not_kept() -> None:
    source = Source()
    source.answer = "broken"
    cache = FreshCache(source.load, ttl_seconds=5)
    with pytest.raises(OSError, match="away"):
        await cache.get("a")
    source.answer = "v2"
    assert await cache.get("a") == "a v2"


async def test_what_was_being_loaded_when_all_was_forgotten_is_not_kept() -> None:
    source = Source()
    source.gate.clear()
    cache = FreshCache(source.load, ttl_seconds=5)
    old = asyncio.create_task(cache.get("a"))
    while not source.loads:
        await asyncio.sleep(0)
    source.answer = "v2"
    cache.clear()
    new = asyncio.create_task(cache.get("a"))
    again = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    source.gate.set()
    assert await old == "a v1"
    assert set(await asyncio.gather(new, again, cache.get("a"))) == {"a v2"}
    assert source.loads == ["a", "a"]


async def test_the_end_of_an_old_load_does_not_forget_a_newer_one() -> None:
    loads: list[asyncio.Event] = []

    async def load(key: str) -> str:
        loads.append(asyncio.Event())
        await loads[-1].wait()
        return key

    cache = FreshCache(load, ttl_seconds=5)
    old = asyncio.create_task(cache.get("a"))
    await settle()
    cache.clear()
    new = asyncio.create_task(cache.get("a"))
    await settle()
    loads[0].set()
    await old
    third = asyncio.create_task(cache.get("a"))
    await settle()
    assert len(loads) == 2
    loads[1].set()
    assert await new == await third == "a"


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_oldest_entry_leaves_when_there_are_too_many() -> None:
    source = Source()
    cache = FreshCache(source.load, ttl_seconds=5, max_entries=2)
    for key in ("a", "b", "c", "b", "a"):
        await cache.get(key)
    assert source.loads == ["a", "b", "c", "a"]
