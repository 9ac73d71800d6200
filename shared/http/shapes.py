"""What services tell of links, users and messages, as models: for the OpenAPI documents, and held against real answers by tests."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from shared.http.openapi_parts import Absent
from shared.links import Channel, Lane, LinkType

LinkStatus = Literal["issued", "scheduled", "consumed", "revoked", "superseded", "expired"]
UserStatus = Literal["pending", "active", "inactive", "locked", "suspended"]
MessageStatus = Literal[
    "queued", "sending", "unknown", "accepted", "delivered", "undelivered", "failed", "expired", "revoked"
]


class Link(BaseModel):
    """A link. `url`, `token`, `passcode` and `poll_token` stand only in the answer that made it and its replay, for a key with `links:reveal`."""

    id: UUID
    app_id: UUID
    user_id: UUID
    type: LinkType
    status: LinkStatus
    url: str | Absent = None
    token: str | Absent = None
    passcode: str | None = None
    poll_token: str | Absent = None
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
    """A user of an app. `public_id` is their name towards the product, also the `sub` of their JWTs."""

    id: UUID
    public_id: str
    app_id: UUID
    email: str | None
    phone: str | None
    username: str | None
    email_verified: bool
    phone_verified: bool
    status: UserStatus
    status_reason: str | None
    suspended_until: AwareDatetime | None
    expires_at: AwareDatetime | None
    external_id: str | None
    imported_id: str | None
    profile: dict[str, Any]
    roles: list[str]
    metadata: dict[str, Any]
    password_change_required: bool
    has_second_factor: bool
    login_count: int
    last_login_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Registration(BaseModel):
    """That a user may sign in to an application of the app, and as what."""

    id: UUID
    app_id: UUID
    user_id: UUID
    application_id: UUID
    roles: list[str]
    username: str | None
    verified: bool
    metadata: dict[str, Any]
    last_login_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
