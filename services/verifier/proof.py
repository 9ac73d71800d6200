"""What somebody has shown of who they are, and what their product wants of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from shared.database import Row
from shared.tokens import LinkRef

Opener = Literal["link", "poll", "api"]


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """The session that the caller asks for. `extends` is a live session of the same user, which then gets the factor."""

    expires_in_seconds: int | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    refresh: bool = False
    extends: UUID | None = None


@dataclass(frozen=True, slots=True, repr=False)
class LoginWanted:
    """What the caller asks for besides the redemption itself. May hold a trust token: it has no representation that shows it."""

    jwt: bool = True
    jwt_claims: Mapping[str, Any] = field(default_factory=dict)
    session: SessionWanted | None = None
    application_id: UUID | None = None
    trust_token: str | None = None
    client: Mapping[str, Any] | None = None

    def stored(self) -> dict[str, Any]:
        """Return what a challenge keeps of it, as JSON: everything but the trust token."""
        session = self.session
        return {
            "jwt": self.jwt,
            "jwt_claims": dict(self.jwt_claims),
            "application_id": None if self.application_id is None else str(self.application_id),
            "client": None if self.client is None else dict(self.client),
            "session": None
            if session is None
            else {
                "expires_in_seconds": session.expires_in_seconds,
                "claims": dict(session.claims),
                "refresh": session.refresh,
                "extends": None if session.extends is None else str(session.extends),
            },
        }

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `stored` kept."""
        session = stored["session"]
        return cls(
            jwt=stored["jwt"],
            jwt_claims=stored["jwt_claims"],
            session=None
            if session is None
            else SessionWanted(**{**session, "extends": _id(session["extends"])}),
            application_id=_id(stored["application_id"]),
            client=stored["client"],
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that wants a sign-in. `attempt_id` names it, so that asking again does everything once. `opener`: what a session is by."""

    attempt_id: UUID
    request_id: str
    opener: Opener = "link"


@dataclass(frozen=True, slots=True)
class Proven:
    """Who showed who they are, and how.

    `row` has the columns of `holders` and `login_apps`, and of their link when there is one. `methods` is the JWT's `amr` (RFC 8176).
    `at`: when it was shown; `told_at`: when the answer is made, where that is later, and from when its JWT lives.
    """

    row: Row
    asked: Asked
    at: datetime
    link: LinkRef | None = None
    factors: tuple[Mapping[str, Any], ...] = ()
    methods: tuple[str, ...] = ()
    told_at: datetime | None = None


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
