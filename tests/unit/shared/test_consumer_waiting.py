"""A batch whose needs are away waits; nothing is skipped and nothing is committed meanwhile."""

import asyncpg
import pytest

from shared import consumer
from shared.consumer import Record, Subscription
from shared.errors import Refusal, Unavailable

SUBSCRIPTION = Subscription("t", "g", 1)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "_PAUSES_SECONDS", (0.0,))


@pytest.mark.parametrize(
    "away", [Unavailable("the limit cannot be checked"), asyncpg.ConnectionDoesNotExistError()]
)
async def test_a_batch_waits_until_what_it_needs_is_back(away: Exception) -> None:
    failures = [away, away]

    async def handle(_: list[Record]) -> None:
        if failures:
            raise failures.pop()

    await consumer._handle_until_done(handle, [], SUBSCRIPTION)
    assert failures == []


@pytest.mark.parametrize("fault", [Refusal("no"), RuntimeError("a bug")])
async def test_any_other_failure_is_raised(fault: Exception) -> None:
    async def handle(_: list[Record]) -> None:
        raise fault

    with pytest.raises(type(fault)):
        await consumer._handle_until_done(handle, [], SUBSCRIPTION)
