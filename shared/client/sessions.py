"""Sessions, JWTs and polls, as methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from .calling import Calling, segment
from .shapes import Session, User, Verification, read, read_verification


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A live session with its tokens. `refresh_token` is None for one without, and where only the session was used."""

    session: Session
    user: User
    session_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Polled:
    """Where a link stands; `verification` for ten minutes after it was used."""

    status: str
    verification: Verification | None


@dataclass(frozen=True, slots=True)
class Introspection:
    """What a JWT is worth now. `session`: "live", "over", or "none"."""

    active: bool
    claims: Mapping[str, Any] | None
    session: str


class Sessions(Calling):
    """The verifier's routes for who is signed in."""

    async def start_session(
        self, user_id: str, *, idempotency_key: str | None = None, **session: Any
    ) -> OpenSession:
        """Starts a session for a user whom you signed in yourself.

        `session`: `application_id`, `expires_in_seconds`, `claims`, `refresh`, `client`, `factors`.
        """
        body = {"user_id": user_id, **session}
        return _open(await self._verifier("/v1/sessions", body, key=idempotency_key))

    async def authenticate_session(
        self,
        session_token: str,
        *,
        expires_in_seconds: int | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> OpenSession:
        """Asks whose session it is, and marks it as used; ApiError `session_invalid` when it is over or unknown."""
        body = {"session_token": session_token, "expires_in_seconds": expires_in_seconds, "claims": claims}
        given = {name: value for name, value in body.items() if value is not None}
        return _open(await self._verifier("/v1/sessions/authenticate", given, secrets=(session_token,)))

    async def refresh_session(
        self,
        refresh_token: str,
        *,
        rotate: bool = True,
        application_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> OpenSession:
        """Takes a refresh token and returns the next one. With `rotate` each works once; ApiError `refresh_token_invalid`."""
        body = {"refresh_token": refresh_token, "rotate": rotate}
        if application_id is not None:
            body["application_id"] = application_id
        answer = await self._verifier(
            "/v1/sessions/refresh", body, key=idempotency_key, secrets=(refresh_token,)
        )
        return _open(answer)

    async def get_session(self, session_id: str) -> Session:
        return read(Session, await self._verifier(f"/v1/sessions/{segment(session_id)}", method="GET"))

    async def find_sessions(self, user_id: str) -> list[Session]:
        """The live sessions of a user, newest first."""
        answer = await self._verifier(f"/v1/sessions?{urlencode({'user_id': user_id})}", method="GET")
        return [read(Session, item) for item in answer["items"]]

    async def revoke_sessions(self, *, idempotency_key: str | None = None, **named: str) -> int:
        """Revokes a session, by `session_id`, `session_token`, `jwt` or `refresh_token`, or all of a `user_id`, an `application_id` or both.

        Returns how many lived; ApiError `session_invalid` for a single one that is unknown.
        """
        answer = await self._verifier(
            "/v1/sessions/revoke", named, key=idempotency_key, secrets=tuple(named.values())
        )
        return int(answer["revoked"])

    async def make_session_jwt(self, session_id: str, **wanted: Any) -> str:
        """Returns a JWT of a live session: `jwt_claims`, `ttl_seconds`, `audience`."""
        answer = await self._verifier(f"/v1/sessions/{segment(session_id)}/jwt", wanted)
        return str(answer["jwt"])

    async def introspect_jwt(self, jwt: str) -> Introspection:
        """Asks what a JWT is worth now."""
        answer = await self._verifier("/v1/jwts/introspect", {"jwt": jwt}, secrets=(jwt,))
        return Introspection(answer["active"], answer["claims"], answer["session"])

    async def poll_link(self, poll_token: str, **wanted: Any) -> Polled:
        """Asks whether a link was used elsewhere; `wanted` is what a redemption may ask for, such as `session`."""
        answer = await self._verifier(
            "/v1/links/poll", {"poll_token": poll_token, **wanted}, secrets=(poll_token,)
        )
        return Polled(answer["status"], read_verification(answer) if "user" in answer else None)


def _open(answer: Mapping[str, Any]) -> OpenSession:
    return OpenSession(
        read(Session, answer["session"]),
        read(User, answer["user"]),
        answer.get("session_token"),
        answer.get("refresh_token"),
    )
