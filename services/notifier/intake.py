"""Takes queued messages from a lane: claims as many as there is room for, and hands them to `deliver`.

Offsets are committed once the claims are: from then on the lease, not Kafka, remembers the message.
"""

from dataclasses import dataclass
from uuid import UUID

import structlog

from services.notifier.deliver import Deliver
from services.notifier.room import Room
from services.notifier.store import claim_messages
from shared.bus import EventInvalid, decode_event
from shared.consumer import Record, request_id_of
from shared.database import Pool
from shared.dead_letters import Refused, put_aside
from shared.messages import QUEUED

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a record asks for: the next attempt at a message, after `attempts` earlier ones."""

    message_id: UUID
    attempts: int
    request_id: str


class LaneIntake:
    """One lane. Use `handle` with `shared.consumer.consume_batches`, and run `watch` beside it."""

    def __init__(self, pool: Pool, deliver: Deliver, *, concurrency: int, lease_seconds: float) -> None:
        self._pool = pool
        self._deliver = deliver
        self._lease_seconds = lease_seconds
        self._room = Room(concurrency, "delivery")

    async def handle(self, records: list[Record]) -> int:
        """Claim every message of these records, as room comes free; return how many records were put aside.

        Raises when the database is away.
        """
        wanted: dict[UUID, Wanted] = {}
        refused: list[Refused] = []
        for record in records:
            try:
                found = _read(record)
            except EventInvalid as invalid:
                refused.append(Refused(record, str(invalid)))
            else:
                wanted[found.message_id] = found
        queue = list(wanted.values())
        while queue:
            room = await self._room.take(len(queue))
            queue, now = queue[room:], queue[:room]
            try:
                claimed = await claim_messages(
                    self._pool, [(w.message_id, w.attempts) for w in now], self._lease_seconds
                )
            except BaseException:
                self._room.give_back(room)
                raise
            self._room.give_back(room - len(claimed))
            for message in claimed:
                request_id = wanted[message.facts.message_id].request_id
                self._room.fill(self._deliver.deliver(message, request_id))
        if refused:
            async with self._pool.acquire() as connection, connection.transaction():
                await put_aside(connection, refused)
        return len(refused)

    async def watch(self) -> None:
        """Raise what a delivery raised unexpectedly: the service stops and says why (rule 6)."""
        await self._room.watch()

    async def drain(self) -> None:
        """Wait for the deliveries under way."""
        await self._room.drain()


def _read(record: Record) -> Wanted:
    event = decode_event(record.value)
    if event.type != QUEUED:
        raise EventInvalid(f"type: expected {QUEUED}")
    try:
        message_id, attempts = UUID(event.data["message_id"]), event.data["attempts"]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise EventInvalid("data: needs message_id (a UUID) and attempts") from None
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 0 <= attempts < 2**31:
        raise EventInvalid("data.attempts: must be a count")
    return Wanted(message_id, attempts, request_id_of(record))
