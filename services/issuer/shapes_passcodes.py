"""What the issuer answers about passcodes and revealed links, as models."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from shared.http import shapes
from shared.links import Channel


class RevealedLink(BaseModel):
    """A link with its secrets."""

    link: shapes.Link


class Passcode(BaseModel):
    """A passcode that no link stands beside. `id` is its link's; `code` stands here for a key with `links:reveal`."""

    id: UUID
    user_id: UUID
    channel: Channel
    code: str | None = None
    expires_at: AwareDatetime
    created_at: AwareDatetime


class MadePasscode(BaseModel):
    """A passcode, and the message that brings it; null when nothing is sent."""

    passcode: Passcode
    user_created: Annotated[bool, Field(description="Whether the user was made with it.")]
    message: shapes.QueuedMessage | None
