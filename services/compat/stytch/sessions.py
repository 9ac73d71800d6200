"""Sessions: list, authenticate, revoke, and the keys that their JWTs are checked with."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from services.compat.accounts import Accounts
from services.compat.stytch.authenticating import one_session, own_claims, session_members
from services.compat.stytch.errors import (
    PROJECT_NOT_FOUND,
    SESSION_NOT_FOUND,
    StytchRefusal,
    refusal_view,
    refuse,
)
from services.compat.stytch.ids import SESSION, Ids
from services.compat.stytch.project import BY_SECRET, VENDOR, Project, project_of
from services.compat.stytch.requests import SessionAuthenticate, SessionRevoke
from services.compat.stytch.shapes import jwks, session_object, user_object
from shared.http.routes import Call, Public, Route

_KEYS_ARE_PUBLIC = Public("public keys, which SDKs fetch without credentials")


@dataclass(frozen=True, slots=True)
class Sessions:
    """The handlers of `/v1/sessions`."""

    accounts: Accounts

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v1/sessions", self.list_sessions, BY_SECRET, refusal_view=refusal_view),
            Route(
                "POST", "/v1/sessions/authenticate", self.authenticate, BY_SECRET, refusal_view=refusal_view
            ),
            Route("POST", "/v1/sessions/revoke", self.revoke, BY_SECRET, refusal_view=refusal_view),
            Route(
                "GET",
                "/v1/sessions/jwks/{project_id}",
                self.keys,
                _KEYS_ARE_PUBLIC,
                refusal_view=refusal_view,
            ),
        ]

    async def list_sessions(self, call: Call) -> web.Response:
        """Answer a user's live sessions."""
        project = await project_of(self.accounts, call)
        user = await project.user(call.request.query.get("user_id", ""))
        found = await project.native.verifier("GET", "/v1/sessions", query={"user_id": user["id"]})
        sessions = [session_object(project.ids, one, user) for one in found["items"]]
        return project.answer(sessions=sessions)

    async def authenticate(self, call: Call) -> web.Response:
        """Answer the session of a token or JWT with a fresh JWT."""
        project = await project_of(self.accounts, call)
        asked = await call.body(SessionAuthenticate)
        if asked.authorization_check is not None:
            # There are no policies here that could allow anything: refusing is the side to err on.
            raise StytchRefusal(
                403, "consumer_session_authorization_error", "authorization_check is not supported here."
            )
        found = await project.native.verifier("POST", "/v1/sessions/authenticate", _authentication(asked))
        told = await session_members(project, found)
        return project.answer(
            session=told["session_object"],
            session_token=found["session_token"],
            session_jwt=told["session_jwt"],
            user=user_object(project.ids, found["user"]),
            verdict=None,
        )

    async def revoke(self, call: Call) -> web.Response:
        """Revoke one session."""
        project = await project_of(self.accounts, call)
        asked = await call.body(SessionRevoke)
        await project.native.verifier("POST", "/v1/sessions/revoke", _revocation(project, asked))
        return project.answer()

    async def keys(self, call: Call) -> web.Response:
        """Answer the public keys of a project (RFC 7517)."""
        project_id = call.request.match_info["project_id"]
        account = await self.accounts.of_vendor_id(VENDOR, project_id)
        if account is None:
            raise refuse(PROJECT_NOT_FOUND)
        project = Project(account, Ids.of_project(project_id), call.request_id)
        found = await project.native.verifier("GET", "/.well-known/jwks.json")
        return project.answer(keys=jwks(found["keys"]))


def _authentication(asked: SessionAuthenticate) -> dict[str, Any]:
    if one_session(asked.session_token, asked.session_jwt) is None:
        raise StytchRefusal(400, "invalid_session_token", "Include a session_token or a session_jwt.")
    by = {"jwt": asked.session_jwt} if asked.session_token is None else {"session_token": asked.session_token}
    minutes, claims = asked.session_duration_minutes, asked.session_custom_claims
    return {
        **by,
        **({} if minutes is None else {"expires_in_seconds": minutes * 60}),
        **({} if claims is None else {"claims": own_claims(claims)}),
    }


def _revocation(project: Project, asked: SessionRevoke) -> dict[str, Any]:
    given = asked.model_dump(exclude_none=True)
    if len(given) != 1:
        raise StytchRefusal(
            400,
            "too_many_session_revoke_arguments" if given else "invalid_session_id",
            "Include exactly one of session_id, session_token and session_jwt.",
        )
    if asked.session_id is not None:
        return {"session_id": _session(project, asked.session_id)}
    return {"jwt" if name == "session_jwt" else name: value for name, value in given.items()}


def _session(project: Project, session_id: str) -> UUID:
    found = project.ids.read(SESSION, session_id)
    if found is None:
        raise refuse(SESSION_NOT_FOUND)
    return found
