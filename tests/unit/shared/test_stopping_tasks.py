"""A stop ends also what does not want to end."""

import asyncio

import pytest

from shared import lifecycle
from shared.lifecycle import Service
from shared.settings import ServiceSettings


async def test_a_loop_that_swallows_its_first_cancellation_does_not_keep_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "_HEARD_SECONDS", 0.01)
    settings = ServiceSettings(database_url="postgresql://db", redis_url="redis://cache")
    service = Service("test", settings)
    heard = 0

    async def deaf() -> None:
        nonlocal heard
        while heard < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard += 1
        raise asyncio.CancelledError

    service.run_task(deaf(), "deaf")
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        assert await service.close() == 0
    assert heard == 2
