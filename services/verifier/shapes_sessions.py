"""What the routes of sessions and JWTs answer with, as models."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from services.verifier.shapes import Redeemed, Session
from shared.http import shapes
from shared.http.openapi_parts import Absent


class UsedSession(BaseModel):
    """A session that was used, and whose it is."""

    session: Session
    session_token: str
    user: shapes.User


class StartedSession(UsedSession):
    """A session that was started. Without `refresh` it has no refresh token."""

    refresh_token: str | None


class RefreshedSession(BaseModel):
    """A session and its newest refresh token; the registration when an application was named."""

    session: Session
    refresh_token: str
    user: shapes.User
    registration: shapes.Registration | Absent | None = None


class Sessions(BaseModel):
    """The live sessions of a user, newest first, the newest thousand."""

    items: list[Session]


class RevokedSessions(BaseModel):
    """How many live sessions were revoked."""

    revoked: int


class SessionJwt(BaseModel):
    """A JWT of a session."""

    jwt: str
    jwt_expires_at: AwareDatetime


class Introspected(BaseModel):
    """What a JWT is worth now. `session`: `none` for a JWT without one; `over` as well for a JWT whose session is not there any more."""

    active: bool
    claims: Annotated[dict[str, Any] | None, Field(description="Null unless active.")]
    session: Literal["live", "over", "none"]


class Polled(Redeemed):
    """Where a link stands and, for ten minutes after it was used, who used it."""

    status: Literal["issued", "consumed", "expired", "revoked", "superseded"]
    user: shapes.User | Absent = None  # type: ignore[assignment]
    state: Annotated[Any, Field(description="As it was given.")] = None
    metadata: dict[str, Any] | Absent = None  # type: ignore[assignment]
