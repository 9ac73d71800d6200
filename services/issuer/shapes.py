"""What the issuer answers with, as models: for its OpenAPI document, and held against real answers by tests."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.issuer.app_settings import AppCreate
from shared.http import shapes
from shared.http.openapi_parts import Problem, changes_of
from shared.links import Binding, Channel, Lane, LinkRequest, LinkType

AppChange = changes_of(AppCreate, "AppChange")


class App(AppCreate):
    """An app: its settings, and when they were made and changed."""

    id: UUID
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ApiKey(BaseModel):
    """An API key without its text."""

    id: UUID
    app_id: UUID
    name: str
    prefix: Annotated[str, Field(description="The visible beginning of the key's text.")]
    scopes: list[str]
    types: list[str] | None
    redirect_urls: list[str] | None
    max_ttl_seconds: int | None
    recipient_domains: list[str] | None
    endpoints: dict[str, list[str]] | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    created_at: AwareDatetime


class OwnKey(BaseModel):
    """The key that asks, what it may do, and the app that it calls for."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    types: list[str] | None
    redirect_urls: list[str] | None
    max_ttl_seconds: int | None
    recipient_domains: list[str] | None
    endpoints: dict[str, list[str]] | None
    app: App


class NewApiKey(ApiKey):
    """A key that was made: its text stands here this once, and is null in a replay."""

    key: str | None


class MadeLink(BaseModel):
    """A link, and the message that brings it; null when nothing is sent."""

    link: shapes.Link
    user_created: Annotated[bool, Field(description="Whether the link's user was made with it.")]
    message: shapes.QueuedMessage | None


class BatchOfRequests(BaseModel):
    """The body of a batch. An item that breaks a rule refuses itself only."""

    model_config = ConfigDict(extra="forbid")

    links: Annotated[list[LinkRequest], Field(min_length=1, max_length=10_000)]


class RefusedLink(BaseModel):
    """An item of a batch that was refused; the others were not harmed."""

    error: Problem


class Batch(BaseModel):
    """One result an item, in the order of the request."""

    results: list[MadeLink | RefusedLink]


class ExplainedProblem(BaseModel):
    """Why a request would be refused, or its message not delivered: a field, the rule's stable name, and words."""

    field: str
    rule: str
    message: str


class ExplainedLink(BaseModel):
    """A link as it would be. `expires_at` is null where it is known only once the link is made or accepted; the rule says how."""

    type: LinkType
    redirect_url: str | None
    ttl_seconds: int
    expires_at: AwareDatetime | None
    expiry_rule: str
    lane: Lane
    slot: str | None
    locale: str
    binding: Binding
    url_form: str


class ExplainedUser(BaseModel):
    """Told to keys with `users:read` only."""

    exists: bool


class ExplainedMessage(BaseModel):
    """A message as it would be; `locale` is the one it would be written in, null when no notifier has said."""

    channel: Channel
    recipient: str | None
    template: str
    locale: str | None
    known: str
    sender: str | None


class ExplainedLimit(BaseModel):
    """A limit and what is left of it; null when that cannot be read now."""

    name: str
    per: Literal["minute", "hour"]
    left: int | None
    would_refuse: bool
    retry_after_seconds: float | None


class Explanation(BaseModel):
    """What `POST /v1/links` would do. `would_issue` is false when there is any problem, of delivery too."""

    would_issue: bool
    problems: list[ExplainedProblem]
    link: ExplainedLink
    user: ExplainedUser | None
    message: ExplainedMessage | None
    limits: list[ExplainedLimit]


class RevokedLink(BaseModel):
    """The link as it is now."""

    link: shapes.Link


class RevokedLinks(BaseModel):
    """The links that this call revoked."""

    revoked: int
    link_ids: list[UUID]


class ToldLink(shapes.Link):
    """A link as it is told afterwards. `passcode_locked`: its passcode was tried too often, only the link itself still works."""

    binding: Binding
    slot: str | None
    passcode_locked: bool


class TimelineEvent(BaseModel):
    """Something that happened to a link; further members by `event`."""

    model_config = ConfigDict(extra="allow")

    at: AwareDatetime
    event: str


class LinkHistory(BaseModel):
    """A link, its messages, and everything that happened to it in the order of time."""

    link: ToldLink
    messages: list[shapes.Message]
    timeline: list[TimelineEvent]


class MessageAttempt(BaseModel):
    """One attempt to send a message; `detail` holds the provider's words."""

    message_id: UUID
    attempt: int
    started_at: AwareDatetime
    finished_at: AwareDatetime
    outcome: str
    provider: str | None
    provider_id: str | None
    detail: str | None


class MessageHistory(shapes.Message):
    """A message and each attempt to send it."""

    message_attempts: list[MessageAttempt]


class Page(BaseModel):
    """A page of a list. `next_cursor` is null on the last one."""

    next_cursor: str | None


class Apps(Page):
    items: list[App]


class ApiKeys(Page):
    items: list[ApiKey]


class Users(Page):
    items: list[shapes.User]


class FoundUsers(Users):
    """A page of a search. `total` counts the users of all pages."""

    total: int
