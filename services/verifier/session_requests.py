"""The bodies of the routes of sessions."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.verifier.login_requests import Id, Seconds, StrictModel, Text, TokenOrJwt, own_claims
from shared.links import AskerInfo, MiddlingObject, SmallObject

MOST_FACTORS = 10
SHORTEST_JWT_SECONDS = 60
LONGEST_JWT_SECONDS = 3600

SessionJwtClaims = Annotated[MiddlingObject, AfterValidator(own_claims)]


def one_of(given: BaseModel, names: tuple[str, ...], rule: str) -> None:
    """Raise the fault of a body that gives none or several of these fields."""
    found = [name for name in names if getattr(given, name) is not None]
    if len(found) != 1:
        raise PydanticCustomError(
            rule,
            "give exactly one of {names} (given: {given})",
            {"names": ", ".join(names), "given": ", ".join(found) or "none"},
        )


class FactorRequest(StrictModel):
    """How the user showed who they are, as the product says it."""

    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    delivery_method: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] | None = None
    address: Annotated[str, Field(max_length=320)] | None = None


class StartRequest(StrictModel):
    """The body of `POST /v1/sessions`: the app itself says that its user signed in."""

    user_id: Id
    application_id: Id | None = None
    expires_in_seconds: Seconds | None = None
    """How long it lives. Default: the app's `session_seconds`."""
    claims: SmallObject = Field(default_factory=dict)
    refresh: bool = False
    """Give it a refresh token."""
    client: Annotated[AskerInfo, Field(strict=False)] | None = None
    factors: Annotated[list[FactorRequest], Field(max_length=MOST_FACTORS)] = Field(default_factory=list)


class AuthenticateRequest(StrictModel):
    """The body of `POST /v1/sessions/authenticate`."""

    session_token: Text | None = None
    jwt: TokenOrJwt | None = None
    """A JWT of the session, also a late one: it is the session that lives or does not."""
    expires_in_seconds: Seconds | None = None
    """The session lives so long from now on, if that is longer."""
    claims: SmallObject = Field(default_factory=dict)
    """Merged with the session's; null takes one away."""

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        one_of(self, ("session_token", "jwt"), "one_token")
        return self


class JwtRequest(StrictModel):
    """The body of `POST /v1/sessions/{id}/jwt`."""

    jwt_claims: SessionJwtClaims = Field(default_factory=dict)
    """Further claims, at most 16 KB as JSON: the session's own fit in; none of the registered names."""
    ttl_seconds: Annotated[int, Field(ge=SHORTEST_JWT_SECONDS, le=LONGEST_JWT_SECONDS)] = 300
    audience: Text | None = None
    """One of the app's own audiences, or an application of it. Default: the session's application, else as the app's JWTs."""


class RefreshRequest(StrictModel):
    """The body of `POST /v1/sessions/refresh`."""

    refresh_token: Text
    rotate: bool
    """Give out the next refresh token: this one is then worthless, and whoever shows it later ends the session."""
    application_id: Id | None = None
    """The session must be of this application."""


class RevokeRequest(StrictModel):
    """The body of `POST /v1/sessions/revoke`: which session, or whose."""

    session_id: Id | None = None
    session_token: Text | None = None
    jwt: TokenOrJwt | None = None
    refresh_token: Text | None = None
    user_id: Id | None = None
    application_id: Id | None = None

    @model_validator(mode="after")
    def _one_named(self) -> Self:
        if self.user_id is not None and self.application_id is not None:
            one_of(self, ("session_id", "session_token", "jwt", "refresh_token", "user_id"), "one_of")
        else:
            one_of(self, tuple(type(self).model_fields), "one_of")
        return self


class IntrospectRequest(StrictModel):
    """The body of `POST /v1/jwts/introspect`."""

    jwt: TokenOrJwt


class SessionQuery(BaseModel):
    """The query of `GET /v1/sessions`."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID
