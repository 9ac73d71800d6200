"""Sessions that end with what they stood on: a user who becomes inactive, an application, a registration."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.issuer.link_rows import SOURCE
from services.issuer.tenancy import DIRECTORY_SQL as SQL
from shared import outbox
from shared.bus import Event
from shared.database import Connection, Row
from shared.outbox import OutboxRow, lifecycle_row


@dataclass(frozen=True, slots=True)
class Ending:
    """Which sessions of an app end: a user's, an application's, or a user's with an application; and why, as the event says it."""

    app_id: UUID
    reason: str
    user_id: UUID | None = None
    application_id: UUID | None = None


async def end_sessions(connection: Connection, ending: Ending, headers: Mapping[str, str]) -> None:
    """Revoke live sessions within the caller's transaction, and tell of each. Ring the bell after the commit."""
    named = (ending.app_id, ending.user_id, ending.application_id)
    rows = await connection.fetch(SQL.end_sessions, *named)
    await outbox.append(connection, [ended_row(row, ending.reason, headers) for row in rows])


def ended_row(row: Row, reason: str, headers: Mapping[str, str]) -> OutboxRow:
    """Return the event of one session."""
    data = {
        "session_id": str(row["id"]),
        "app_id": str(row["app_id"]),
        "user_id": str(row["user_id"]),
        "reason": reason,
        "revoked_at": row["revoked_at"].isoformat(),
    }
    event_id = f"{row['id']}.revoked"
    event = Event("magiclink.session.revoked.v1", event_id, SOURCE, str(row["id"]), data, row["revoked_at"])
    return lifecycle_row(event, row["user_id"], dict(headers))
