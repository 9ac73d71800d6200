"""What the verifier answers with, as models: for its OpenAPI document, and held against real answers by tests."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.errors import (
    LinkConsumed,
    LinkExpired,
    LinkInProgress,
    LinkInvalid,
    LinkNotYetValid,
    LinkRevoked,
    PairingRequired,
)
from shared.http import shapes
from shared.http.openapi_parts import Absent

PAGE_REFUSALS = (LinkInvalid, LinkConsumed, LinkExpired, LinkRevoked, LinkNotYetValid, PairingRequired)
"""Why a link's page has no button."""
LINK_REFUSALS = (*PAGE_REFUSALS, LinkInProgress)
"""Why a link that stands in a request is not redeemed."""


class Redeemed(BaseModel):
    """A link that this attempt redeemed: the user is who they say. Without `"jwt": false` there is a JWT."""

    link: shapes.Link
    user: shapes.User
    state: Annotated[Any, Field(description="As it was given.")]
    metadata: dict[str, Any]
    jwt: str | Absent = None
    jwt_expires_at: AwareDatetime | Absent = None


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
