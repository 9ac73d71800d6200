import asyncio
from collections.abc import Sequence

import pytest

from shared.batching import Batcher, BatchLimits
from shared.errors import Unavailable


class Flushes:
    """A flush that waits until it is let go, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gates: list[asyncio.Event] = []

    async def __call__(self, items: list[str]) -> Sequence[str | BaseException]:
        gate = asyncio.Event()
        self.batches.append(items)
        self.gates.append(gate)
        await gate.wait()
        return [ValueError(item) if item.startswith("bad") else item.upper() for item in items]

    def let_go(self, number: int) -> None:
        self.gates[number].set()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def submit_apart(batcher: Batcher[str, str], *items: str) -> list[asyncio.Task[str]]:
    """Submit items in turns of the loop of their own."""
    tasks = []
    for item in items:
        tasks += submit(batcher, item)
        await settle()
    return tasks


def submit(batcher: Batcher[str, str], *items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(batcher.submit(item)) for item in items]


async def test_a_batch_forms_while_flushes_are_in_flight() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes)
    first = await submit_apart(batcher, "a", "b", "c", "d")
    assert flushes.batches == [["a"], ["b"]]  # two in flight, at once, without waiting for company
    flushes.let_go(0)
    await settle()
    assert flushes.batches == [["a"], ["b"], ["c", "d"]]
    flushes.let_go(1)
    flushes.let_go(2)
    assert await asyncio.gather(*first) == ["A", "B", "C", "D"]


async def test_what_one_turn_of_the_loop_brings_goes_together() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes)
    tasks = submit(batcher, "a", "b", "c")
    await settle()
    assert flushes.batches == [["a", "b", "c"]]
    later = submit(batcher, "d", "e")
    await settle()
    assert flushes.batches[1:] == [["d", "e"]]
    flushes.let_go(0)
    flushes.let_go(1)
    assert await asyncio.gather(*tasks, *later) == ["A", "B", "C", "D", "E"]


async def test_what_the_results_of_a_batch_bring_goes_together_in_the_next() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes, limits=BatchLimits(flights=1))

    async def twice(item: str) -> str:
        return await batcher.submit((await batcher.submit(item)) + "2")

    tasks = [asyncio.create_task(twice(item)) for item in "abc"]
    await settle()
    waiting = submit(batcher, "d")
    await settle()
    flushes.let_go(0)
    await settle()
    assert flushes.batches == [["a", "b", "c"], ["d", "A2", "B2", "C2"]]
    flushes.let_go(1)
    assert await asyncio.gather(*tasks, *waiting) == ["A2", "B2", "C2", "D"]


async def test_a_batch_holds_no_more_than_its_limit() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes, limits=BatchLimits(items=2, flights=1))
    tasks = await submit_apart(batcher, "a", "b", "c", "d", "e")
    for number in range(3):
        await settle()
        flushes.let_go(number)
    await asyncio.gather(*tasks)
    assert flushes.batches == [["a"], ["b", "c"], ["d", "e"]]


async def test_each_caller_gets_its_own_result_or_its_own_failure() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes, limits=BatchLimits(flights=1))
    tasks = await submit_apart(batcher, "a", "b", "bad 1", "c")
    flushes.let_go(0)
    await settle()
    flushes.let_go(1)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(item) for item in found] == ["A", "B", "bad 1", "C"]
    assert isinstance(found[2], ValueError)


async def test_a_caller_that_leaves_abandons_its_result_and_nobody_elses() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes, limits=BatchLimits(flights=1))
    (leaver,) = submit(batcher, "a")
    await settle()
    waiting = submit(batcher, "b", "c")
    await settle()
    leaver.cancel()
    waiting[0].cancel()
    flushes.let_go(0)
    await settle()
    assert flushes.batches[1] == ["b", "c"]  # on its way all the same: its effect is known to others
    flushes.let_go(1)
    async with asyncio.timeout(1):
        assert await waiting[1] == "C"
    assert leaver.cancelled()
    assert waiting[0].cancelled()
    async with asyncio.timeout(1):
        await batcher.drain()


async def test_what_a_flush_raises_reaches_each_caller() -> None:
    async def flush(_: list[str]) -> Sequence[str | BaseException]:
        raise OSError("gone")

    batcher: Batcher[str, str] = Batcher("t", flush)
    found = await asyncio.gather(*submit(batcher, "a", "b", "c"), return_exceptions=True)
    assert [type(item) for item in found] == [OSError] * 3
    assert isinstance((await asyncio.gather(batcher.submit("d"), return_exceptions=True))[0], OSError)


async def test_a_flush_with_too_few_results_fails_rather_than_mixing_them_up() -> None:
    async def flush(_: list[str]) -> Sequence[str | BaseException]:
        return []

    batcher: Batcher[str, str] = Batcher("t", flush)
    with pytest.raises(RuntimeError, match="t: 0 results for 1 items"):
        await batcher.submit("a")


async def test_a_full_queue_is_told_at_once() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes, limits=BatchLimits(flights=1, queue=2))
    tasks = await submit_apart(batcher, "a", "b", "c")
    with pytest.raises(Unavailable) as refused:
        async with asyncio.timeout(1):
            await batcher.submit("d")
    assert refused.value.retry_after_seconds == 1
    flushes.let_go(0)
    await settle()
    flushes.let_go(1)
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]


async def test_two_items_of_one_key_are_never_in_flight_together() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes, key=lambda item: item[0])
    tasks = await submit_apart(batcher, "x1", "x2", "y1", "x3")
    assert flushes.batches == [["x1"], ["y1"]]
    flushes.let_go(1)
    await settle()
    assert len(flushes.batches) == 2  # what waits, waits for the verdict on x
    flushes.let_go(0)
    await settle()
    assert flushes.batches[2] == ["x2"]
    flushes.let_go(2)
    await settle()
    assert flushes.batches[3] == ["x3"]
    flushes.let_go(3)
    assert await asyncio.gather(*tasks) == ["X1", "X2", "Y1", "X3"]


async def test_a_key_is_free_again_after_a_failure() -> None:
    failures = [OSError("once")]

    async def flush(items: list[str]) -> Sequence[str | BaseException]:
        if failures:
            raise failures.pop()
        return items

    batcher: Batcher[str, str] = Batcher("t", flush, key=lambda item: item)
    with pytest.raises(OSError, match="once"):
        await batcher.submit("a")
    assert await batcher.submit("a") == "a"


async def test_a_drain_waits_for_what_flies_and_for_what_queues() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher(
        "t", flushes, limits=BatchLimits(items=1, flights=1), key=lambda item: item[0]
    )
    tasks = submit(batcher, "x1", "x2", "y1")
    await settle()
    drain = asyncio.create_task(batcher.drain())
    for number in range(3):
        await settle()
        assert not drain.done()
        flushes.let_go(number)
    await drain
    assert await asyncio.gather(*tasks) == ["X1", "X2", "Y1"]


async def test_an_idle_batcher_drains_at_once() -> None:
    batcher: Batcher[str, str] = Batcher("t", Flushes())
    await batcher.drain()


async def test_what_may_wait_goes_with_the_next_flight() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes)
    patient = batcher.put("patient", within_seconds=30)
    await settle()
    assert flushes.batches == []
    await submit_apart(batcher, "a")
    assert flushes.batches == [["patient", "a"]]
    flushes.let_go(0)
    assert await patient == "PATIENT"


async def test_what_may_wait_goes_alone_when_nobody_comes_in_time() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes)
    for _ in range(2):  # the timer starts anew
        patient = [batcher.put(item, within_seconds=0.01) for item in ("a", "b")]
        await asyncio.sleep(0.05)
        assert flushes.batches[-1] == ["a", "b"]
        flushes.let_go(len(flushes.batches) - 1)
        assert await asyncio.gather(*patient) == ["A", "B"]
    assert len(flushes.batches) == 2


async def test_what_may_wait_is_flushed_by_a_drain() -> None:
    flushes = Flushes()
    batcher: Batcher[str, str] = Batcher("t", flushes)
    patient = batcher.put("a", within_seconds=30)
    draining = asyncio.create_task(batcher.drain())
    await settle()
    flushes.let_go(0)
    await draining
    assert await patient == "A"
