"""`verify` by two workers against one: by the clock, and by CPU time, which tells what they do where there are cores for them."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bench.house import House
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.verify import verifying

# Two workers, wrk, and PostgreSQL with Redis and the issuer's relay.
CORES_WANTED = 4
_ONE, _TWO = "one worker", "two workers"


async def rows(house: House) -> list[Row]:
    """Return the rows of two workers. The clock's is judged only where the load generator leaves the cores."""
    urls = {
        count: await house.start_replica("verifier", f"verifier-workers-{count}", "--workers", str(count))
        for count in (1, 2)
    }
    one = verifying(house, None, replica=(urls[1], house.pid("verifier-workers-1")))
    two = verifying(house, None, replica=(urls[2], house.pid("verifier-workers-2")))
    cores = os.cpu_count() or 1
    return [
        Row(
            "verify, two workers",
            "requests/s",
            Contender(_TWO, two.measure),
            [Contender(_ONE, one.measure)],
            [Bound(1.5, 1.8, _ONE)] if cores >= CORES_WANTED else [],
            f"By the clock, on {cores} cores that wrk, PostgreSQL, Redis and the issuer share. Judged from {CORES_WANTED} cores on.",
        ),
        Row(
            "verify, two workers, by CPU time",
            "requests/s",
            Contender(_TWO, _capacity(two.measure, 2)),
            [Contender(_ONE, _capacity(one.measure, 1))],
            [Bound(1.5, 1.8, _ONE)],
            "What the workers could do with a core each: workers ÷ CPU seconds of all of them for one request.",
        ),
    ]


def _capacity(
    measure: Callable[[Effort], Awaitable[Sample]], workers: int
) -> Callable[[Effort], Awaitable[Sample]]:
    async def measured(effort: Effort) -> Sample:
        sample = await measure(effort)
        if not sample.cpu_us:
            raise SystemExit("no CPU time was counted")
        return replace(sample, figure=workers / sample.cpu_us * 1e6)

    return measured
