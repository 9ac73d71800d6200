"""What the verifier answers with, as models: for its OpenAPI document, and held against real answers by tests."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.errors import (
    AddressUnverified,
    ClientMismatch,
    CodeVerifierInvalid,
    LinkConsumed,
    LinkExpired,
    LinkInProgress,
    LinkInvalid,
    LinkNotYetValid,
    LinkRevoked,
    PairingRequired,
    PasswordChangeRequired,
    RegistrationUnverified,
    SecondFactorRequired,
    SessionInvalid,
    UserExpired,
    UserInactive,
    UserLocked,
    UserSuspended,
)
from shared.http import shapes
from shared.http.openapi_parts import Absent

PAGE_REFUSALS = (LinkInvalid, LinkConsumed, LinkExpired, LinkRevoked, LinkNotYetValid, PairingRequired)
"""Why a link's page has no button."""
LINK_REFUSALS = (*PAGE_REFUSALS, LinkInProgress)
"""Why a link that stands in a request is not redeemed."""


USER_BARS = (UserInactive, UserLocked, UserSuspended, UserExpired)
"""Why a user may not redeem anything, or use a session, now."""
LOGIN_REFUSALS = (
    *USER_BARS, ClientMismatch, CodeVerifierInvalid, SessionInvalid, SecondFactorRequired, PasswordChangeRequired, AddressUnverified,
    RegistrationUnverified,
)  # fmt: skip
"""Why a redemption is refused, or is done and signs nobody in."""


class Session(BaseModel):
    """A session. `factors`: how its user showed who they are."""

    id: UUID
    user_id: UUID
    application_id: UUID | None
    factors: list[dict[str, Any]]
    client: dict[str, Any] | None
    claims: dict[str, Any]
    started_at: AwareDatetime
    last_accessed_at: AwareDatetime
    expires_at: AwareDatetime
    revoked_at: AwareDatetime | None


class Redeemed(BaseModel):
    """Somebody who showed who they are, by a link or more. Without `"jwt": false` there is a JWT; with `session` there is one."""

    link: Annotated[shapes.Link | None, Field(description="Null for a sign-in without a link.")]
    user: shapes.User
    state: Annotated[Any, Field(description="As it was given.")]
    metadata: dict[str, Any]
    jwt: str | Absent = None
    jwt_expires_at: AwareDatetime | Absent = None
    registration: shapes.Registration | Absent | None = None
    session: Session | Absent = None
    session_token: str | Absent = None
    refresh_token: str | Absent | None = None


class PublicKey(BaseModel):
    """A public key (RFC 7517); further members by `kty`."""

    model_config = ConfigDict(extra="allow")

    kty: str
    kid: str
    alg: str
    use: str


class PublicKeys(BaseModel):
    """The keys that JWTs are verified with."""

    keys: list[PublicKey]
