"""A consumer whose start failed half way is thrown away: aiokafka's cannot be started twice."""

from typing import Any

import pytest
from aiokafka.errors import InvalidSessionTimeoutError

from shared import consumer
from shared.consumer import Record, Subscription, consume_batches
from shared.settings import KafkaSettings


class Done(Exception):  # noqa: N818 - no error, the end
    """Ends the loop of the test."""


class HalfStarted:
    """Joins its group at the third try of all; none of them may be started again."""

    made: list["HalfStarted"]

    def __init__(self, *_: Any, **__: Any) -> None:
        self.starts = self.stops = 0
        self.made.append(self)

    async def start(self) -> None:
        self.starts += 1
        if len(self.made) < 3:
            raise InvalidSessionTimeoutError

    async def stop(self) -> None:
        self.stops += 1

    async def getmany(self, **_: Any) -> None:
        raise Done


async def test_each_try_to_join_has_a_consumer_of_its_own_and_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def handle(_: list[Record]) -> int:
        return 0

    HalfStarted.made = []
    monkeypatch.setattr(consumer, "AIOKafkaConsumer", HalfStarted)
    monkeypatch.setattr(consumer, "_PAUSES_SECONDS", (0.0,))
    with pytest.raises(Done):
        await consume_batches(
            KafkaSettings(kafka_bootstrap="127.0.0.1:1"), Subscription("t", "g", 10), handle
        )
    assert [(one.starts, one.stops) for one in HalfStarted.made] == [(1, 1)] * 3
