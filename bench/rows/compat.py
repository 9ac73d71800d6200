"""A vendor's call through compat against the native call that does the same, one caller at a time."""

import statistics
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from bench.compat_overhead import Bench, Pair, latencies_ms
from bench.house import House, bench_plan
from bench.row import Bound, Contender, Effort, Row, Sample

PLAN = bench_plan(compats=1)
CALLS_PER_SECOND = 40
NOTE = "The same work twice, one connection: the figure is the median latency. `python -m bench.compat_overhead` measures only this."


async def rows(house: House) -> list[Row]:
    """Return a row for each pair."""
    # A session of its own: one connection to each service, and no other caller on it.
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit_per_host=1))
    house.on_close(session.close)
    pairs = await Bench(house.cluster, session).pairs()
    return [
        Row(
            f"compat: {pair.name}",
            "ms (p50)",
            Contender("ours", _calling(pair, pair.vendor)),
            [Contender("native", _calling(pair, pair.native))],
            [Bound(1.5, 1.5, "native", at_most=True)],
            NOTE if number == 0 else "",
        )
        for number, pair in enumerate(pairs)
    ]


def _calling(pair: Pair, call: Callable[[Any], Awaitable[None]]) -> Callable[[Effort], Awaitable[Sample]]:
    async def measure(effort: Effort) -> Sample:
        things = await pair.prepare(round(CALLS_PER_SECOND * effort.seconds))
        cut = statistics.quantiles(await latencies_ms(call, things), n=100, method="inclusive")
        return Sample(
            cut[49], {f"p{percent}": cut[percent - 1] for percent in (1, 10, 25, 50, 75, 90, 95, 99)}
        )

    return measure
