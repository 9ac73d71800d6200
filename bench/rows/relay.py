"""The relay: outbox rows that are due, to acknowledged and deleted. One lane."""

import asyncio
import time
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import orjson

from bench.house import House
from bench.processes import cpu_seconds
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.programs import kafka_arguments, raw, run_program
from shared.bus import EVENTS, Event, encode_event
from shared.database import Connection
from shared.outbox import OutboxRow, append

LANE = "events"
MOST_SECONDS = 300
NOTE = (
    "As many events as `link.consumed` makes, written into the outbox in one transaction, until the last is acknowledged by the broker "
    "and deleted. The raw producer sends the same records with the same settings (idempotent, acks=all) in one loop and flushes."
)


async def rows(house: House) -> list[Row]:
    """Return the relay's row."""
    records = Records(house.folder)

    async def produce(effort: Effort) -> dict[str, float]:
        path = records.file(effort.count)
        return await run_program(
            "producer", "produce", *kafka_arguments(house, EVENTS), "--records", str(path)
        )

    async def relay(effort: Effort) -> Sample:
        return await relayed(house, records.make(effort.count))

    producer = raw("raw producer", produce)
    return [
        Row(
            "relay", "events/s", Contender("ours", relay), [producer], [Bound(0.7, 0.9, "raw producer")], NOTE
        )
    ]


class Records:
    """Events as a consumption makes them, each of a link and user of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[dict[str, Any]] = []

    def make(self, count: int) -> list[dict[str, Any]]:
        while len(self._made) < count:
            self._made.append(_record())
        return self._made[:count]

    def file(self, count: int) -> Path:
        """Return a file of these records, a line each."""
        path = self._folder / f"records-{count}.jsonl"
        if not path.exists():
            path.write_bytes(b"\n".join(map(orjson.dumps, self.make(count))))
        return path


def _record() -> dict[str, Any]:
    link_id, user_id = str(uuid4()), str(uuid4())
    data = {"link_id": link_id, "app_id": str(uuid4()), "user_id": user_id, "type": "login", "sequence": 2}
    event = Event("magiclink.link.consumed.v1", f"{link_id}/2", "magiclink/verifier", link_id, data)
    return {"key": user_id, "value": encode_event(event).decode(), "headers": {"x-request-id": uuid4().hex}}


def _row(record: dict[str, Any]) -> OutboxRow:
    return OutboxRow(LANE, EVENTS, record["key"], record["value"].encode(), None, record["headers"])


async def relayed(house: House, records: list[dict[str, Any]]) -> Sample:
    """Write the records into the outbox and wait until it is empty."""
    connection = await house.database()
    try:
        await _until_empty(connection)
        issuer = house.pid("issuer")
        async with connection.transaction():
            await append(cast("Connection", connection), [_row(record) for record in records])
            before = cpu_seconds(issuer)
            started = time.monotonic()
        await connection.execute("SELECT pg_notify('magiclink_outbox', '')")
        await _until_empty(connection)
        seconds = time.monotonic() - started
        return Sample(len(records) / seconds, cpu_us=(cpu_seconds(issuer) - before) / len(records) * 1e6)
    finally:
        await connection.close()


async def _until_empty(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while await connection.fetchval("SELECT EXISTS (SELECT FROM magiclink.outbox WHERE lane = $1)", LANE):
        if time.monotonic() > deadline:
            raise SystemExit(f"the relay's lane was not empty after {MOST_SECONDS} s")
        await asyncio.sleep(0.02)
