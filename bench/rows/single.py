"""Latency with one caller at a time: verify and issue."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bench.house import House
from bench.load import Load
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.issue import issuing
from bench.rows.verify import verifying


async def rows(house: House) -> list[Row]:
    """Return the rows of one connection. Their figure is the 99th percentile."""
    bounds = [Bound(5.0, 3.0, at_most=True)]
    return [
        Row(
            "verify, one connection",
            "ms (p99)",
            _p99(verifying(house, None, connections=1)),
            [_p99(await _reference(house, "batched"))],
            bounds,
        ),
        Row(
            "issue with e-mail, one connection",
            "ms (p99)",
            _p99(issuing(house, known=True, connections=1)),
            [_p99(await _reference(house, "insert"))],
            bounds,
        ),
    ]


async def _reference(house: House, mode: str) -> Contender:
    url, pid = await house.reference(mode)
    return Contender(mode, lambda effort: house.under_load(Load(url, connections=1), effort, pid))


def _p99(contender: Contender) -> Contender:
    return Contender(contender.name, _in_ms(contender.measure))


def _in_ms(measure: Callable[[Effort], Awaitable[Sample]]) -> Callable[[Effort], Awaitable[Sample]]:
    async def measured(effort: Effort) -> Sample:
        sample = await measure(effort)
        return replace(sample, figure=sample.latencies_ms["p99"])

    return measured
