"""What the routes of webhooks answer with, as models."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field


class Webhook(BaseModel):
    """An endpoint. `disabled_at`: since it answered 410 Gone."""

    id: UUID
    url: str
    events: list[str]
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None


class NewWebhook(Webhook):
    """An endpoint that was made, with the secret that its messages are signed with. Told this once."""

    secret: Annotated[
        str | None, Field(description="`whsec_` and base64, for any library of Standard Webhooks.")
    ]


class Webhooks(BaseModel):
    """A page of endpoints."""

    items: list[Webhook]
    next_cursor: str | None


class TestEvent(BaseModel):
    """The event that is on its way to the endpoint: its body has this `id`."""

    event_id: str
