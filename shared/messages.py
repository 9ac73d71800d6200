"""The events about messages, in one place: issuer and notifier both queue them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.bus import Event
from shared.database import Row
from shared.outbox import OutboxRow, delivery_row, lifecycle_row

QUEUED = "magiclink.message.queued.v1"


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What events say of a message: ids and routing, never an address."""

    message_id: UUID
    link_id: UUID
    app_id: UUID
    user_id: UUID
    channel: str
    lane: str

    @classmethod
    def of(cls, row: Row) -> "MessageFacts":
        """Return the facts of a row of `messages`."""
        return cls(row["id"], row["link_id"], row["app_id"], row["user_id"], row["channel"], row["lane"])

    def data(self) -> dict[str, str]:
        return {
            "message_id": str(self.message_id),
            "link_id": str(self.link_id),
            "app_id": str(self.app_id),
            "user_id": str(self.user_id),
            "channel": self.channel,
            "lane": self.lane,
        }


@dataclass(frozen=True, slots=True)
class Queueing:
    """One time that a message is queued: after `attempts` attempts and `requeues` sweeps, due at `due_at` (None: now)."""

    attempts: int
    requeues: int
    due_at: datetime | None = None


def queued_row(source: str, facts: MessageFacts, queueing: Queueing, headers: Mapping[str, str]) -> OutboxRow:
    """Tell the notifier to deliver. A record that comes again after the next attempt began names the wrong attempt and is passed over."""
    data = facts.data()
    message_id = data["message_id"]
    event = Event(
        type=QUEUED,
        id=f"{message_id}.{queueing.attempts}.{queueing.requeues}",
        source=source,
        subject=message_id,
        data={**data, "attempts": queueing.attempts},
    )
    return delivery_row(facts.lane, event, facts.user_id, queueing.due_at, dict(headers))


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a message: `verb` is `accepted`, `failed` and the like, in the past tense."""

    verb: str
    attempt: int
    provider: str | None


def message_row(source: str, facts: MessageFacts, told: Told, headers: Mapping[str, str]) -> OutboxRow:
    """Tell product services what became of a message. The provider's own words stay out: they like to quote the address."""
    event = Event(
        type=f"magiclink.message.{told.verb}.v1",
        id=f"{facts.message_id}.{told.verb}.{told.attempt}",
        source=source,
        subject=str(facts.message_id),
        data={**facts.data(), "attempt": told.attempt, "provider": told.provider},
    )
    return lifecycle_row(event, facts.user_id, dict(headers))
