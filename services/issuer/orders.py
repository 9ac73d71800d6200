"""What `issue` takes and gives: orders of drafts, results of issued links."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.issuer.policy import Draft
from shared.errors import Refusal
from shared.idempotency import BodyHash


@dataclass(frozen=True, slots=True)
class Guard:
    """What makes an order happen once: the key in its scope, and the keyed hash of the body it came with.

    For HTTP the scope is the route and the key the `Idempotency-Key`; for events `event <source>` and the event's id.
    """

    app_id: UUID
    scope: str
    key: str
    body_hash: BodyHash
    keep_seconds: float

    @property
    def identity(self) -> tuple[UUID, str, str]:
        return self.app_id, self.scope, self.key


@dataclass(frozen=True, slots=True)
class Order:
    """Links that one caller wants together. An item refused already keeps its place."""

    app_id: UUID
    items: list[Draft | Refusal]
    guard: Guard | None
    via: str
    headers: dict[str, str] = field(default_factory=dict)


class Issued(NamedTuple):
    """A link that exists, as its row says, and its first message. `user_created`: its user was made with it."""

    id: UUID
    user_id: UUID
    status: str
    user_created: bool
    message_id: UUID | None
    kid: str
    app_id: UUID
    type: str
    redirect_url: str | None
    state: str | None
    metadata: dict[str, Any]
    channel: str
    send_at: datetime | None
    created_at: datetime
    expires_at: datetime
    consumed_at: datetime | None
    revoked_at: datetime | None
    passcode_format: str | None
    passcode_epoch: int
    url_template: str | None
    doors: str
    message_status: str | None

    @property
    def message(self) -> dict[str, Any] | None:
        """The link's first message as it is told, None if it was not sent."""
        if self.message_id is None:
            return None
        return {"id": self.message_id, "channel": self.channel, "status": self.message_status}


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to an order: an issued link or a refusal an item, in order."""

    items: list[Issued | Refusal]
    replayed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {"Idempotency-Replayed": "true"} if self.replayed else {}
