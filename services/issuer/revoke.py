"""The transition `revoke`: a link that cannot be consumed any more, nor its grant exchanged if it was.

Revocation is a timestamp and comes after consumption as well as before it (DESIGN §4). Messages still queued are revoked with
their link; the event goes into the outbox in the same transaction.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.issuer.idempotency import Answered, Once, Work
from services.issuer.orders import Guard
from services.issuer.reading import read_link
from services.issuer.store import SOURCE
from services.issuer.tenancy import SQL
from shared import outbox
from shared.bus import Event
from shared.cache import Cache
from shared.claims import publish_revoked
from shared.database import Connection, Row
from shared.links import link_view
from shared.messages import MessageFacts, Told, message_row
from shared.outbox import OutboxBell, OutboxRow, lifecycle_row


async def revoke_links(
    connection: Connection, app_id: UUID, link_ids: Sequence[UUID], headers: Mapping[str, str]
) -> list[Row]:
    """Revoke links of an app within the caller's transaction; return the rows of those that were not revoked before."""
    if not link_ids:
        return []
    rows = await connection.fetch(SQL.revoke_links, app_id, link_ids, min(link_ids), max(link_ids))
    messages = await connection.fetch(SQL.revoke_queued_messages, app_id, link_ids)
    events = [_event_row(row, headers) for row in rows]
    events += [_message_event_row(row, headers) for row in messages]
    await outbox.append(connection, events)
    return list(rows)


async def revoke_live_links(
    connection: Connection, app_id: UUID, user_id: UUID, headers: Mapping[str, str]
) -> list[Row]:
    """Revoke every link by which a user could still sign in, within the caller's transaction."""
    rows = await connection.fetch(SQL.lock_live_links, app_id, user_id)
    return await revoke_links(connection, app_id, [row["id"] for row in rows], headers)


@dataclass(frozen=True, slots=True)
class Revoke:
    """Revokes links by id."""

    once: Once
    bell: OutboxBell
    cache: Cache

    async def one(
        self, app_id: UUID, link_id: UUID, guard: Guard | None, headers: Mapping[str, str]
    ) -> Answered:
        """Revoke a link; one that was revoked is answered the same. Raises `NotFound`."""
        revoked: list[Row] = []

        async def do(connection: Connection) -> dict[str, Any]:
            revoked.extend(await revoke_links(connection, app_id, [link_id], headers))
            return link_view(await read_link(connection, app_id, link_id))

        async def again(connection: Connection, again_id: UUID) -> dict[str, Any]:
            return link_view(await read_link(connection, app_id, again_id))

        answered = await self.once.run(guard, Work(do, again))
        await self.tell(revoked)
        return answered

    async def tell(self, revoked: Sequence[Row]) -> None:
        """Tell the relays and Redis, after the commit."""
        if revoked:
            self.bell.ring()
            tell = [
                publish_revoked(self.cache, row["id"], row["app_id"], row["keep_seconds"]) for row in revoked
            ]
            await asyncio.gather(*tell)


def _event_row(row: Row, headers: Mapping[str, str]) -> OutboxRow:
    link_id, revoked_at = str(row["id"]), row["revoked_at"]
    data = {
        "link_id": link_id,
        "app_id": str(row["app_id"]),
        "user_id": str(row["user_id"]),
        "type": row["type"],
        "revoked_at": revoked_at.isoformat(),
        "sequence": row["sequence"],
    }
    event = Event(
        "magiclink.link.revoked.v1", f"{link_id}.{row['sequence']}", SOURCE, link_id, data, revoked_at
    )
    return lifecycle_row(event, row["user_id"], dict(headers))


def _message_event_row(row: Row, headers: Mapping[str, str]) -> OutboxRow:
    facts = MessageFacts.of(row)
    return message_row(SOURCE, facts, Told("revoked", row["attempts"], None), headers)
