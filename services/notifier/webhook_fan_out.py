"""Finds the endpoints that wait for an event, and queues a delivery to each: one an endpoint and event, however often the event comes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from shared.bus import Event, EventInvalid, decode_event
from shared.consumer import Record
from shared.database import Pool, Row
from shared.dead_letters import Refused, put_aside
from shared.outbox import OutboxBell
from shared.sql_blocks import SqlBlocks
from shared.webhooks import name_of

SQL = SqlBlocks(Path(__file__).parent / "webhooks.sql")
QUEUE_LEASE_SECONDS = 3600.0
"""When a queued delivery counts as lost, beyond its time: its record waits in the outbox and the topic for as long."""


@dataclass(frozen=True, slots=True)
class _Found:
    event: Event
    app_id: UUID


class WebhookFanOut:
    """Use `handle` with `shared.consumer.consume_batches`."""

    def __init__(self, pool: Pool, bell: OutboxBell) -> None:
        self._pool = pool
        self._bell = bell

    async def handle(self, records: list[Record]) -> int:
        """Queue what these events ask for; return how many records were put aside. Raises when the database is away."""
        found: list[_Found] = []
        refused: list[Refused] = []
        for record in records:
            try:
                found.append(_read(record))
            except EventInvalid as invalid:
                refused.append(Refused(record, str(invalid)))
        await self._queue(found)
        if refused:
            async with self._pool.acquire() as connection, connection.transaction():
                await put_aside(connection, refused)
        return len(refused)

    async def _queue(self, found: Sequence[_Found]) -> None:
        if not found:
            return
        endpoints = await self._pool.fetch(SQL.webhook_endpoints_of, list({one.app_id for one in found}))
        wanted = [
            (endpoint["id"], one.app_id, one.event.id, _body(one.event))
            for one in found
            for endpoint in endpoints
            if endpoint["app_id"] == one.app_id and waits_for(endpoint, one.event)
        ]
        if wanted:
            columns = [list(column) for column in zip(*wanted, strict=True)]
            await self._pool.execute(SQL.queue_webhooks, *columns, QUEUE_LEASE_SECONDS)
            self._bell.ring()


def waits_for(endpoint: Row, event: Event) -> bool:
    """Say whether an endpoint of the event's app is to be told. One made for an endpoint is for nobody else."""
    if "webhook_id" in event.data:
        return bool(event.data["webhook_id"] == str(endpoint["id"]))
    # Nobody is told of what was before they asked: a consumer that is behind, or new, reads old events.
    if event.time is not None and event.time < endpoint["created_at"]:
        return False
    return not endpoint["events"] or name_of(event.type) in endpoint["events"]


def _read(record: Record) -> _Found:
    event = decode_event(record.value)
    try:
        return _Found(event, UUID(event.data["app_id"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise EventInvalid("data.app_id: must be a UUID") from None


def _body(event: Event) -> str:
    body: dict[str, Any] = {"type": event.type, "id": event.id, "time": event.time, "data": event.data}
    return orjson.dumps(body, option=orjson.OPT_UTC_Z).decode()


def columns_of(wanted: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Return the columns of some rows, for statements over several deliveries."""
    return [list(column) for column in zip(*wanted, strict=True)]
