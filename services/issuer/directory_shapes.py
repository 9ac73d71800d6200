"""What the issuer answers about applications, registrations and connections, as models: see `shapes`."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from services.issuer.shapes import Page
from shared.http import shapes


class Application(BaseModel):
    """What a tenant's users sign in to. Its id is the audience of their JWTs."""

    id: UUID
    app_id: UUID
    name: str
    roles: list[str]
    refresh_tokens: bool
    require_verified_registration: bool
    active: bool
    metadata: dict[str, Any]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Applications(Page):
    items: list[Application]


class Registrations(BaseModel):
    """All registrations of a user."""

    items: list[shapes.Registration]


class Connection(BaseModel):
    """By what people of an e-mail domain sign in."""

    id: UUID
    app_id: UUID
    type: Literal["magic_link"]
    domain: str
    organization_id: str | None
    created_at: AwareDatetime


class Connections(Page):
    items: list[Connection]
