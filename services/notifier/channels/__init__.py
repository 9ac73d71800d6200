"""Channels: the ways a message leaves the house. Each is two methods and knows nothing of the database (rule 7)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.content import Content
from services.notifier.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One attempt at one message. `sender` None means the channel's own default sender."""

    message_id: UUID
    to: str
    sender: str | None
    content: Content = field(repr=False)  # holds the link
    created_at: datetime
    attempt: int


class Channel(Protocol):
    """Sends messages. `send` answers within the channel's timeout and raises only what nobody expected."""

    async def send(self, message: Outgoing) -> Outcome: ...

    async def close(self) -> None: ...
