"""The transition `revoke`: a link that cannot be consumed any more, nor its grant exchanged if it was.

Revocation is a timestamp and comes after consumption as well as before it (DESIGN §4). Messages still queued are revoked with
their link; the event goes into the outbox in the same transaction.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from services.issuer.idempotency import Answered, Once, Work
from services.issuer.link_rows import SOURCE
from services.issuer.orders import Guard
from services.issuer.reading import read_link
from services.issuer.tenancy import SQL
from shared import outbox
from shared.bus import Event
from shared.cache import Cache
from shared.claims import publish_revoked
from shared.database import Connection, Row
from shared.links import Email, LinkType, Phone, link_view
from shared.messages import MessageFacts, Told, message_row
from shared.outbox import OutboxBell, OutboxRow, lifecycle_row

_TOLD_TOGETHER: Final = 256


async def revoke_links(
    connection: Connection, app_id: UUID, link_ids: Sequence[UUID], headers: Mapping[str, str]
) -> list[Row]:
    """Revoke links of an app within the caller's transaction; return the rows of those that were not revoked before."""
    if not link_ids:
        return []
    rows = await connection.fetch(SQL.revoke_links, app_id, link_ids, min(link_ids), max(link_ids))
    await outbox.append(connection, [_event_row(row, headers) for row in rows])
    await revoke_waiting(connection, app_id, link_ids, headers)
    return list(rows)


async def revoke_waiting(
    connection: Connection,
    app_id: UUID,
    link_ids: Sequence[UUID],
    headers: Mapping[str, str],
    statuses: Sequence[str] = ("queued",),
) -> None:
    """Revoke messages of links that were not sent yet, within the caller's transaction, which holds the links."""
    messages = await connection.fetch(SQL.revoke_waiting_messages, app_id, link_ids, statuses)
    await outbox.append(connection, [_message_event_row(row, headers) for row in messages])


async def revoke_live_links(
    connection: Connection,
    app_id: UUID,
    user_id: UUID,
    headers: Mapping[str, str],
    link_type: str | None = None,
) -> list[Row]:
    """Revoke every link (or every one of a type) by which a user could still sign in, within the caller's transaction."""
    rows = await connection.fetch(SQL.lock_live_links, app_id, user_id, link_type)
    return await revoke_links(connection, app_id, [row["id"] for row in rows], headers)


class RevokeRequest(BaseModel):
    """The body of `POST /v1/links/revoke`: whose links, and of which type if not of every one."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    user_id: UUID | None = None
    """A user of the app; or name one by `email` or `phone`, exactly one of the three."""
    email: Email | None = None
    """The user with this address."""
    phone: Phone | None = None
    """The user with this number (E.164)."""
    type: LinkType | None = None
    """Links of this type only."""

    @model_validator(mode="after")
    def _one_user(self) -> Self:
        given = [name for name in ("user_id", "email", "phone") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "one_recipient",
                "give exactly one of user_id, email, phone (given: {given})",
                {"given": ", ".join(given) or "none"},
            )
        return self


@dataclass(frozen=True, slots=True)
class Revoke:
    """Revokes links by id, or all of a user."""

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

    async def of_user(
        self, app_id: UUID, wanted: RevokeRequest, guard: Guard | None, headers: Mapping[str, str]
    ) -> Answered:
        """Revoke all live links of a user, in one transaction: all of them or, after a fault, none.

        The answer is `{"revoked": n, "link_ids": […]}`; that of an unknown user is the same with 0.
        """
        revoked: list[Row] = []

        async def do(connection: Connection) -> dict[str, Any]:
            user_id = await connection.fetchval(
                SQL.find_named_user, app_id, wanted.user_id, wanted.email, wanted.phone
            )
            if user_id is not None:
                revoked.extend(
                    await revoke_live_links(connection, app_id, user_id, headers, link_type=wanted.type)
                )
            return {"revoked": len(revoked), "link_ids": sorted(row["id"] for row in revoked)}

        answered = await self.once.run(guard, Work(do))
        await self.tell(revoked)
        return answered

    async def tell(self, revoked: Sequence[Row]) -> None:
        """Tell the relays and Redis, after the commit."""
        if revoked:
            self.bell.ring()
        # In steps: ten thousand calls at once would all wait in the queue to Redis past their budget, and open its breaker.
        for start in range(0, len(revoked), _TOLD_TOGETHER):
            some = revoked[start : start + _TOLD_TOGETHER]
            await asyncio.gather(
                *(publish_revoked(self.cache, row["id"], row["app_id"], row["keep_seconds"]) for row in some)
            )


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
