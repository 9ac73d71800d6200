"""Passcodes that stand alone: each is one link's in its app, so that it is found by itself (DESIGN §3).

A passcode that another link has now is not given out: the link gets the next one, of a higher epoch. What is kept is a MAC of the
passcode, until the link's end, also when the link is used or revoked before: a passcode never stands for two links one after the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from services.issuer.orders import Issued
from shared.database import Connection, Row
from shared.errors import Unavailable
from shared.keys import KeyRing
from shared.sql_blocks import SqlBlocks
from shared.tokens import LinkRef, make_passcode, passcode_lookup

SQL = SqlBlocks(Path(__file__).parent / "passcodes.sql")

# With a thousand live passcodes of six digits the third round is one in a million; who needs more has passcodes that are too short.
MOST_ROUNDS: Final = 24


@dataclass(frozen=True, slots=True)
class Standing:
    """A link whose passcode of this epoch is to stand alone until the link's end."""

    link: LinkRef
    app_id: UUID
    passcode_format: str
    epoch: int
    expires_at: datetime


def standing(link: Issued) -> Standing:
    """Return what is to stand alone of a link with a passcode."""
    return Standing(
        LinkRef(link.kid, link.id),
        link.app_id,
        link.passcode_format or "",
        link.passcode_epoch,
        link.expires_at,
    )


def standing_row(link: Row, passcode_format: str, epoch: int) -> Standing:
    """Return the same of a locked link's row, for a new passcode."""
    ref = LinkRef(link["kid"], link["id"])
    return Standing(ref, link["app_id"], passcode_format, epoch, link["expires_at"])


async def give_passcodes(connection: Connection, ring: KeyRing, links: Iterable[Standing]) -> dict[UUID, int]:
    """Give each link a passcode that is nobody else's, within the caller's transaction, which has made or locked the links.

    Returns the epoch by link id, which is written where it had to be raised. Raises `Unavailable` when there are too few passcodes left.
    """
    # A link whose key was dropped from the ring has no passcode any more.
    first = {item.link.link_id: item for item in links if ring.key("passcode", item.link.kid) is not None}
    epochs: dict[UUID, int] = {}
    waiting = list(first.values())
    for _ in range(MOST_ROUNDS):
        if not waiting:
            break
        taken = await _take(connection, ring, waiting)
        epochs |= {item.link.link_id: item.epoch for item in waiting if item.link.link_id in taken}
        waiting = [replace(item, epoch=item.epoch + 1) for item in waiting if item.link.link_id not in taken]
    if waiting:
        raise Unavailable("the app has too few passcodes for its links", retry_after_seconds=60)
    raised = {link_id: epoch for link_id, epoch in epochs.items() if epoch != first[link_id].epoch}
    if raised:
        apps = [first[link_id].app_id for link_id in raised]
        await connection.execute(
            SQL.raise_epochs, [*raised], apps, [*raised.values()], min(raised), max(raised)
        )
    return epochs


async def _take(connection: Connection, ring: KeyRing, items: list[Standing]) -> set[UUID]:
    # One statement cannot write a row twice: of two with the same passcode the first is tried, the other takes its next one anyway.
    distinct: dict[tuple[UUID, bytes], Standing] = {}
    for item in items:
        passcode = make_passcode(ring, item.link, item.epoch, item.passcode_format)
        lookup = passcode_lookup(ring, item.link.kid, item.app_id, passcode)
        distinct.setdefault((item.app_id, lookup), item)
    rows = await connection.fetch(
        SQL.take_lookups,
        [app_id for app_id, _ in distinct],
        [lookup for _, lookup in distinct],
        [item.link.link_id for item in distinct.values()],
        [item.expires_at for item in distinct.values()],
    )
    return {row["link_id"] for row in rows}
