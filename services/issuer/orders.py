"""What `issue` takes and gives: orders of drafts, results of issued links."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
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


@dataclass(frozen=True, slots=True)
class Issued:
    """A link that exists, as its row says, and its first message."""

    id: UUID
    kid: str
    app_id: UUID
    user_id: UUID
    type: str
    status: str
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
    message_id: UUID | None
    message_status: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to an order: an issued link or a refusal an item, in order."""

    items: list[Issued | Refusal]
    replayed: bool = False
