import asyncio

import pytest

from shared.deadlines import Deadlines


async def overrun(deadlines: Deadlines, seconds: float) -> str:
    try:
        with deadlines.limit():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "late"
    return "in time"


async def test_what_takes_too_long_is_interrupted_and_nothing_else_is() -> None:
    deadlines = Deadlines(0.05)
    found = await asyncio.gather(*(overrun(deadlines, seconds) for seconds in (30, 0, 30, 0.01)))
    assert found == ["late", "in time", "late", "in time"]
    assert not deadlines.open


async def test_each_wait_has_the_whole_time_however_many_began_before_it() -> None:
    deadlines = Deadlines(0.2)
    first = asyncio.create_task(overrun(deadlines, 30))
    await asyncio.sleep(0.15)
    second = asyncio.create_task(overrun(deadlines, 0.1))
    assert [await first, await second] == ["late", "in time"]


async def test_a_limit_can_be_met_again_after_nothing_was_open() -> None:
    deadlines = Deadlines(0.02)
    for _ in range(3):
        assert await overrun(deadlines, 0) == "in time"
        assert await overrun(deadlines, 30) == "late"
        await asyncio.sleep(0.03)


async def test_a_cancellation_of_somebody_else_stays_one() -> None:
    deadlines = Deadlines(5)
    task = asyncio.create_task(overrun(deadlines, 30))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines.open


async def test_a_task_that_was_late_can_still_be_cancelled() -> None:
    deadlines = Deadlines(0.01)

    async def work() -> None:
        assert await overrun(deadlines, 30) == "late"
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(30)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_by_itself_fails_as_it_did() -> None:
    deadlines = Deadlines(5)
    with pytest.raises(ValueError, match="own"), deadlines.limit():
        raise ValueError("own")
    assert not deadlines.open
