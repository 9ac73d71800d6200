"""Idle latency: from the request for a link to the e-mail that the mail server accepted, one at a time."""

import asyncio
import time

from bench.house import House, bench_plan
from bench.open_loop import percentiles
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.programs import Sink, kafka_arguments, run_program
from shared.bus import EVENTS

PLAN = bench_plan(notifiers=1)
MOST_COUNT = 500
_BETWEEN_SECONDS = 0.02
_MOST_SECONDS = 10
_UNIT = "ms"
NOTE = (
    "One `POST /v1/links` with channel `email` at a time on an idle cluster, 20 ms apart; the time ends when the mail server has accepted the "
    "message. The chain beside it is what no design can leave out: produce to Kafka with acks=all, consume, hand over the mail."
)


async def rows(house: House) -> list[Row]:
    """Return the row of idle latency."""
    sink = await Sink.start(house)
    emails = await house.make_emails(MOST_COUNT)

    async def ours(effort: Effort) -> Sample:
        return sample([await _one(house, sink, email) for email in emails[: _count(effort)]])

    async def chain(effort: Effort) -> Sample:
        message = await sink.last(house.folder)
        arguments = kafka_arguments(house, EVENTS)
        arguments += [
            "--smtp-port",
            str(sink.smtp_port),
            "--count",
            str(_count(effort)),
            "--message",
            str(message),
        ]
        told = await run_program("producer", "chain", *arguments)
        return sample(told["milliseconds"])

    bounds = [Bound(15, 8, of="p50", at_most=True), Bound(50, 25, of="p99", at_most=True)]
    return [
        Row("idle latency", _UNIT, Contender("ours", ours), [Contender("raw chain", chain)], bounds, NOTE)
    ]


async def _one(house: House, sink: Sink, email: str) -> float:
    count = (await sink.taken())["count"]
    await asyncio.sleep(_BETWEEN_SECONDS)
    started = time.monotonic()
    await house.expect(201, "POST", f"{house.issuer_url}/v1/links", {"email": email, "channel": "email"})
    facts = await sink.until(count + 1, _MOST_SECONDS)
    return float(facts["last_at"] - started) * 1000


def sample(milliseconds: list[float]) -> Sample:
    """Return the median as the figure, and the percentiles."""
    found = percentiles(milliseconds)
    return Sample(found["p50"], found)


def _count(effort: Effort) -> int:
    return 20 if effort.smoke else min(MOST_COUNT, effort.count)
