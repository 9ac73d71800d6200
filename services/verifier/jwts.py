"""JWTs of sessions, made and looked at: nothing here changes a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from services.verifier.answer import Answers, audience, session_claims, subject
from services.verifier.session_tokens import sid_of
from services.verifier.sessions import Sessions
from shared.database import Row
from shared.errors import FieldProblem, Invalid, SessionInvalid

SessionState = Literal["live", "over", "none"]


@dataclass(frozen=True, slots=True)
class JwtWanted:
    """A JWT of a session: its further claims, how long it lives, and for whom (None: as the session's own)."""

    claims: Mapping[str, Any]
    ttl_seconds: int
    audience: str | None


@dataclass(frozen=True, slots=True)
class Jwts:
    """Signs JWTs of live sessions and says what a JWT is worth."""

    sessions: Sessions
    answers: Answers

    async def make(self, app_id: UUID, session_id: UUID, wanted: JwtWanted) -> dict[str, Any]:
        """Return a JWT of a live session. Raises `SessionInvalid`, what bars its user, and `Invalid` for another's audience."""
        row = await self.sessions.find_live(app_id, session_id)
        at = row["looked_at"]
        claims = {
            **wanted.claims,
            "aud": await self._audience(row, wanted.audience),
            "sub": subject(row),
            "jti": str(uuid4()),
            "iat": int(at.timestamp()),
            "nbf": int(at.timestamp()),
            "amr": sorted({factor["type"] for factor in row["factors"]}),
            **session_claims(row),
        }
        signed, expires_at = self.answers.sign(row, claims, at + timedelta(seconds=wanted.ttl_seconds))
        return {"jwt": signed, "jwt_expires_at": expires_at}

    async def introspect(self, app_id: UUID, text: str) -> dict[str, Any]:
        """Say whether a JWT is one of this app's, in its time, and whether its session lives (RFC 7662 §2.2: no claims otherwise)."""
        claims = self.answers.signing.read(text)
        if claims is None:
            return _told(None, "none")
        named = _audiences(claims)
        app = await self.sessions.find_login_app(
            app_id, [found for found in map(_id, named) if found is not None]
        )
        own = {str(app_id), *app["jwt_audience"], *map(str, app["applications"])}
        issuers = (app["jwt_issuer"], self.answers.issuer)
        # Another app's JWT is nothing here, whoever signed it (G9).
        if not own.intersection(named) or claims.get("iss") not in issuers:
            return _told(None, "none")
        state = await self._state(app_id, claims)
        now = app["looked_at"].timestamp()
        in_time = claims.get("nbf", 0) <= now < claims.get("exp", 0)
        return _told(claims if in_time and state != "over" else None, state)

    async def _state(self, app_id: UUID, claims: Mapping[str, Any]) -> SessionState:
        session_id = sid_of(claims)
        if session_id is None:
            return "none"
        try:
            row = await self.sessions.find(app_id, session_id)
        except SessionInvalid:
            return "over"
        return "live" if row["lives"] and not row["holder_bar"] else "over"

    async def _audience(self, row: Row, wanted: str | None) -> str | list[str]:
        """Return the audience. Another app's would sign its holder in there, so it must be one of the app's own."""
        if wanted is None:
            return audience(row, row["application_id"])
        own = {str(row["login_app"]), *row["jwt_audience"]}
        named = _id(wanted)
        if wanted not in own and named is not None:
            app = await self.sessions.find_login_app(row["login_app"], [named])
            own.update(map(str, app["applications"]))
        if wanted not in own:
            problem = FieldProblem(
                "audience", "foreign_audience", "is neither an audience nor an application of this app"
            )
            raise Invalid([problem])
        return wanted


def _told(claims: Mapping[str, Any] | None, state: SessionState) -> dict[str, Any]:
    return {"active": claims is not None, "claims": claims, "session": state}


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    said = claims.get("aud")
    return [said] if isinstance(said, str) else [one for one in said or [] if isinstance(one, str)]


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
