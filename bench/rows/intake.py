"""The issuer's intake: link requests that wait on Kafka, to committed links with a message queued."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from bench.house import House
from bench.processes import cpu_seconds
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.programs import kafka_arguments, raw, run_program
from shared.bus import LINK_REQUESTS, Event, encode_event
from shared.tokens import new_link_id

BATCH = 500
# Fewer are taken in with a batch or two, which says nothing.
LEAST_COUNT = 2_000
MOST_SECONDS = 300
UNIT = "links/s"
NOTE = (
    "The requests, each for another e-mail address, wait on the topic while the issuer is stopped; it is started, and the time is that from "
    "the first committed batch to the last, as the links' `created_at` tell. The relay runs as shipped, the notifier does not run. "
    "Beside it: bare `unnest` INSERTs of as many rows a statement, and a bare consumer that commits its offsets."
)
Addresses = Callable[[int], Awaitable[list[str]]]


async def rows(house: House) -> list[Row]:
    """Return the intake's rows: addresses of users that there are, and new ones."""
    await house.set_app(intake=True)
    database = house.cluster.backends.database_url

    async def unnest(effort: Effort) -> dict[str, Any]:
        arguments = ["--database", database, "--count", str(effort.count), "--batch", str(BATCH)]
        return await run_program("unnest", *arguments)

    async def consume(effort: Effort) -> dict[str, Any]:
        # What the last round of ours left on the topic; never more than that.
        arguments = kafka_arguments(house, LINK_REQUESTS)
        return await run_program("producer", "consume", *arguments, "--count", str(effort.count))

    async def new(count: int) -> list[str]:
        return [f"u{uuid4().hex}@example.com" for _ in range(count)]

    references = [raw("raw unnest", unnest), raw("raw consumer", consume)]
    bounds = [Bound(8_000, 15_000)]
    return [
        Row(
            "Kafka intake, known recipients",
            UNIT,
            _taking(house, house.make_emails),
            references,
            bounds,
            NOTE,
        ),
        Row("Kafka intake, new recipients", UNIT, _taking(house, new), references, bounds),
    ]


def _taking(house: House, addresses: Addresses) -> Contender:
    async def measure(effort: Effort) -> Sample:
        emails = await addresses(max(effort.count, LEAST_COUNT))
        return await taken_in(house, emails)

    return Contender("ours", measure)


async def taken_in(house: House, emails: list[str]) -> Sample:
    """Put a request for each address on the topic while the issuer is stopped, start it, and measure until all are links."""
    await house.until_relayed()
    await house.cluster.stop_part("issuer")
    before = new_link_id()
    await _preload(house, emails)
    await house.cluster.start_part("issuer", wait=False)
    connection = await house.database()
    try:
        seen, cpu_then = 0, 0.0
        deadline = time.monotonic() + MOST_SECONDS
        while not seen:
            seen = await _count(connection, before)
            await asyncio.sleep(0.05)
        cpu_then, seen = cpu_seconds(house.pid("issuer")), await _count(connection, before)
        while (made := await _count(connection, before)) < len(emails):
            if time.monotonic() > deadline:
                raise SystemExit(f"{made} of {len(emails)} requests were links after {MOST_SECONDS} s")
            await asyncio.sleep(0.25)
        spent = cpu_seconds(house.pid("issuer")) - cpu_then
        return Sample(await _rate(connection, before), cpu_us=spent / max(made - seen, 1) * 1e6)
    finally:
        await connection.close()


async def _preload(house: House, emails: list[str]) -> None:
    path = house.folder / "requests.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(_request(house.app_id, email)) for email in emails))
    arguments = kafka_arguments(house, LINK_REQUESTS)
    await run_program("producer", "produce", *arguments, "--records", str(path))


def _request(app_id: str, email: str) -> dict[str, Any]:
    data = {
        "app_id": app_id,
        "email": email,
        "channel": "email",
        "metadata": {"job": "weekly-report", "week": "2026-W01"},
    }
    event = Event("magiclink.link.requested.v1", str(uuid4()), "bench/intake", "", data)
    return {
        "key": uuid4().hex,
        "value": encode_event(event).decode(),
        "headers": {"x-request-id": uuid4().hex},
    }


async def _count(connection: "asyncpg.Connection[asyncpg.Record]", before: UUID) -> int:
    made: int = await connection.fetchval("SELECT count(*) FROM magiclink.links WHERE id > $1", before)
    return made


async def _rate(connection: "asyncpg.Connection[asyncpg.Record]", before: UUID) -> float:
    """Return links a second from the begin of the first transaction to that of the last, which are not counted with it."""
    per_batch = await connection.fetch(
        "SELECT created_at, count(*) AS links FROM magiclink.links WHERE id > $1 GROUP BY 1 ORDER BY 1",
        before,
    )
    if len(per_batch) < 2:
        raise SystemExit("too few requests to measure: they were taken in at once")
    seconds = (per_batch[-1]["created_at"] - per_batch[0]["created_at"]).total_seconds()
    return float(sum(batch["links"] for batch in per_batch[:-1]) / seconds)
