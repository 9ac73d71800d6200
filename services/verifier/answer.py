"""What a sign-in is answered with: link, user, state, metadata, a JWT, and the session if one was asked for (DESIGN §8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.verifier.proof import LoginWanted, Proven
from services.verifier.session_tokens import SessionTokens
from services.verifier.signing_keys import JWT_SECONDS, SigningKeys
from shared.database import Row
from shared.links import link_view, load_state
from shared.users import public_id, registration_view, user_view

JWT_TTL = timedelta(seconds=JWT_SECONDS)
SESSION_COLUMNS = (
    "id", "user_id", "application_id", "factors", "client", "claims", "started_at", "last_accessed_at", "expires_at", "revoked_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that is done: `session` when one was asked for, `registration` when the caller named an application."""

    proven: Proven
    wanted: LoginWanted
    session: Row | None = None
    registration: Row | None = None
    since: Mapping[str, Any] = field(default_factory=dict)
    """What changed of the user since `proven.row` was read."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes answers. `issuer` is the verifier's public URL."""

    signing: SigningKeys
    issuer: str
    tokens: SessionTokens

    def body(self, done: SignedIn) -> dict[str, Any]:
        """Return the answer; a repeated one has the same claims, signed anew."""
        row, linked = done.proven.row, done.proven.link is not None
        found: dict[str, Any] = {
            "link": link_view(row) if linked else None,
            "user": {**holder_view(row), **done.since},
            "state": load_state(row["state"]) if linked else None,
            "metadata": row["metadata"] if linked else {},
        }
        if done.wanted.application_id is not None:
            found["registration"] = done.registration and registration_view(done.registration)
        if done.session is not None:
            found |= self.session(done.session)
        if done.wanted.jwt:
            found["jwt"], found["jwt_expires_at"] = self._jwt(done)
        return found

    def session(self, session: Row) -> dict[str, Any]:
        """Return a session with its tokens."""
        return {
            "session": session_view(session),
            "session_token": self.tokens.make(session),
            "refresh_token": self.tokens.make_refresh(session),
        }

    def sign(self, app: Row, claims: Mapping[str, Any], expires_at: datetime) -> tuple[str, datetime]:
        """Return a JWT of the app and when it ends."""
        signed = self.signing.sign(
            {"iss": app["jwt_issuer"] or self.issuer, **claims, "exp": int(expires_at.timestamp())},
            app["jwt_algorithm"],
        )
        return signed, _whole_seconds(expires_at)

    def _jwt(self, done: SignedIn) -> tuple[str, datetime]:
        proven, session = done.proven, done.session
        at = int(proven.at.timestamp())
        named = session["id"] if proven.link is None and session is not None else proven.asked.attempt_id
        claims = {
            **done.wanted.jwt_claims,
            "aud": audience(proven.row, done.wanted.application_id),
            "sub": subject(proven.row),
            "jti": str(named if proven.link is None else proven.link.link_id),
            "iat": at,
            "nbf": at,
            "amr": list(proven.methods),
            **({} if session is None else session_claims(session)),
        }
        return self.sign(proven.row, claims, (proven.told_at or proven.at) + JWT_TTL)


def audience(app: Row, application_id: object | None) -> str | list[str]:
    """Return whom a JWT is for: the application, else the app's own audience, else the app's id (RFC 7519 §4.1.3: one text or a list)."""
    if application_id is not None:
        return str(application_id)
    own: list[str] = app["jwt_audience"]
    if len(own) > 1:
        return own
    return own[0] if own else str(app["login_app"])


def subject(row: Row) -> str:
    """Return the user's name towards the product."""
    return public_id(
        {"id": row["holder_id"], "imported_id": row["holder_imported_id"]}, row["user_id_format"]
    )


def session_claims(session: Row) -> dict[str, Any]:
    """Return what a JWT says of its session (OpenID Connect: `sid`, `auth_time`)."""
    return {"sid": str(session["id"]), "auth_time": int(session["started_at"].timestamp())}


def session_view(session: Row) -> dict[str, Any]:
    """Return a session as the API tells it."""
    return {name: session[name] for name in SESSION_COLUMNS}


def holder_view(row: Row) -> dict[str, Any]:
    """Return the user of a row that joins `holders`."""
    return user_view(row, row["user_id_format"], "holder_")


def _whole_seconds(moment: datetime) -> datetime:
    return datetime.fromtimestamp(int(moment.timestamp()), UTC)
