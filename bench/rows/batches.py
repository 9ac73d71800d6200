"""`POST /v1/links/batch` with 1,000 links a request, without a message and with one."""

import json
from itertools import cycle, islice
from typing import Any

from bench.house import House
from bench.load import Load, run_load
from bench.processes import cpu_seconds
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.programs import raw, run_program

A_REQUEST = 1_000
BODIES = 60
CONNECTIONS = 2
# On a busy machine a second may see no answer.
LEAST_SECONDS = 3.0
_ITEMS_PER_SECOND = 100


async def rows(house: House) -> list[Row]:
    """Return the rows of batches."""

    async def insert(effort: Effort) -> dict[str, Any]:
        count = A_REQUEST if effort.smoke else effort.count
        url = house.cluster.backends.database_url
        return await run_program(
            "unnest", "--database", url, "--count", str(count), "--batch", str(A_REQUEST)
        )

    unnest = raw("raw unnest", insert)
    note = f"{A_REQUEST:,} known users a request, {BODIES:,} different requests, {CONNECTIONS} connections. Beside it, for scale: one INSERT of {A_REQUEST:,} rows as wide as a link after the other."
    return [
        Row(
            "batches of 1,000, no message",
            "links/s",
            _batches(house, "none"),
            [unnest],
            [Bound(20_000, 35_000)],
            note,
        ),
        Row(
            "batches of 1,000, with e-mail",
            "links/s",
            _batches(house, "email"),
            [unnest],
            [Bound(10_000, 18_000)],
            f"{note} The notifier does not run.",
        ),
    ]


def _batches(house: House, channel: str) -> Contender:
    bodies = list[str]()

    async def measure(effort: Effort) -> Sample:
        if not bodies:
            bodies.extend(await _bodies(house, channel))
        items = list(islice(cycle(bodies), round(_ITEMS_PER_SECOND * max(LEAST_SECONDS, effort.seconds))))
        load = Load(
            house.issuer_url,
            "/v1/links/batch",
            "POST",
            house.headers,
            "{item}",
            items,
            connections=CONNECTIONS,
        )
        before = cpu_seconds(house.pid("issuer"))
        outcome = await run_load(load, max(LEAST_SECONDS, effort.seconds))
        await house.until_relayed()
        spent = cpu_seconds(house.pid("issuer")) - before
        await house.forget_messages()
        links = outcome.requests * A_REQUEST
        return Sample(links / outcome.seconds, outcome.latencies_ms, spent / links * 1e6)

    return Contender("ours", measure)


async def _bodies(house: House, channel: str) -> list[str]:
    """Return the bodies, after one of them was sent and every item of it made a link."""
    emails = await house.make_emails(A_REQUEST * BODIES)
    bodies = [
        {"links": [{"email": email, "channel": channel} for email in emails[start : start + A_REQUEST]]}
        for start in range(0, len(emails), A_REQUEST)
    ]
    made = await house.expect(200, "POST", f"{house.issuer_url}/v1/links/batch", bodies[0])
    refused = [result["error"] for result in made["results"] if "error" in result]
    if refused:
        raise SystemExit(f"a batch refused {len(refused)} of its links, the first: {refused[0]}")
    return [json.dumps(body) for body in bodies]
