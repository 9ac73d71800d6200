"""What services tell of links, users and messages, as models: for the OpenAPI documents, and held against real answers by tests."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from shared.http.openapi_parts import Absent
from shared.links import Channel, Lane, LinkType

LinkStatus = Literal["issued", "scheduled", "consumed", "revoked", "superseded", "expired"]
MessageStatus = Literal[
    "queued", "sending", "unknown", "accepted", "delivered", "undelivered", "failed", "expired", "revoked"
]


class Link(BaseModel):
    """A link. `url`, `token` and `passcode` stand only in the answer that made it and its replay, for a key with `links:reveal`."""

    id: UUID
    app_id: UUID
    user_id: UUID
    type: LinkType
    status: LinkStatus
    url: str | Absent = None
    token: str | Absent = None
    passcode: str | None = None
    redirect_url: str | None
    state: Annotated[Any, Field(description="As it was given.")]
    metadata: dict[str, Any]
    channel: Channel
    send_at: AwareDatetime | None
    expires_at: AwareDatetime
    created_at: AwareDatetime
    consumed_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class QueuedMessage(BaseModel):
    """A message that was made with its link."""

    id: UUID
    channel: Channel
    status: MessageStatus


class Message(BaseModel):
    """A message. Without `messages:read` the recipient is masked, in `last_error` too."""

    id: UUID
    link_id: UUID
    channel: Channel
    recipient: str
    locale: str
    template: str | None
    lane: Lane
    status: MessageStatus
    attempts: int
    provider: str | None
    provider_id: str | None
    last_error: str | None
    created_at: AwareDatetime
    accepted_at: AwareDatetime | None
    updated_at: AwareDatetime


class User(BaseModel):
    """A user of an app."""

    id: UUID
    email: str | None
    phone: str | None
    email_verified: bool
    phone_verified: bool
    metadata: dict[str, Any]
    created_at: AwareDatetime
