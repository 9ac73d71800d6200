import asyncio

import pytest
from structlog.testing import capture_logs

from shared.flood import DeadLetterFlood, FloodLimit
from shared.metrics import CONSUMER_STOPPED


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def limit(time: Time, per_minute: int = 60) -> FloodLimit:
    return FloodLimit("t", per_minute, time, time.sleep)


async def test_up_to_the_limit_nothing_waits() -> None:
    time = Time()
    flood = limit(time)
    for _ in range(59):
        flood.count(1)
        await flood.pass_on()
        await flood.check()
    assert time.slept == []


async def test_past_the_limit_the_consumer_waits_until_what_it_put_aside_is_made_good() -> None:
    time = Time()
    flood = limit(time)
    flood.count(90)
    with pytest.raises(DeadLetterFlood):
        await flood.check()
    with capture_logs() as logs:
        await flood.pass_on()
    assert time.seconds == pytest.approx(31)
    assert [entry["event"] for entry in logs] == ["dead_letter_flood", "consumer_reads_on"]
    await flood.check()


async def test_a_bad_deploy_trickles_at_the_rate_of_the_limit() -> None:
    time = Time()
    flood = limit(time)
    put_aside = 0
    while time.seconds < 600:
        await flood.pass_on()
        put_aside += 60
        flood.count(60)
    assert put_aside <= 60 * 10 + 2 * 60
    assert max(time.slept) <= 60, "it looks again each minute"


async def test_the_metric_says_that_a_consumer_stands_still() -> None:
    flood = FloodLimit("stands-still", 1)
    flood.count(10)
    waiting = asyncio.create_task(flood.pass_on())
    await asyncio.sleep(0)
    gauge = CONSUMER_STOPPED.labels(topic="stands-still")
    assert gauge._value.get() == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert gauge._value.get() == 0


async def test_a_quiet_time_earns_no_more_than_one_minutes_worth() -> None:
    time = Time()
    flood = limit(time)
    time.seconds = 1e6
    flood.count(61)
    with pytest.raises(DeadLetterFlood):
        await flood.check()
