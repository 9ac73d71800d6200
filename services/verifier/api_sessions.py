"""`/v1/sessions`: parse, one call, render."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from services.verifier import shapes, shapes_sessions
from services.verifier.answer import holder_view, session_view
from services.verifier.login import Login
from services.verifier.login_requests import LoginRequests, client_of
from services.verifier.proof import Asked, LoginWanted, Proven, SessionWanted
from services.verifier.refresh import Refresh, RefreshWanted
from services.verifier.session_requests import (
    AuthenticateRequest,
    RefreshRequest,
    RevokeRequest,
    SessionQuery,
    StartRequest,
)
from services.verifier.sessions import Touch
from shared.database import Row
from shared.errors import NotFound, RefreshTokenInvalid, SessionInvalid
from shared.http.routes import ApiKey, Call, Described, Route, json_response, validate
from shared.tokens import LinkRef, attempt_id
from shared.users import registration_view

_READ, _WRITE = ApiKey("sessions:read"), ApiKey("sessions:write")


@dataclass(frozen=True, slots=True)
class SessionsApi:
    """The handlers, and what they need."""

    login: Login
    requests: LoginRequests
    refreshing: Refresh

    def routes(self) -> list[Route]:
        used = (SessionInvalid, *shapes.USER_BARS)
        return [
            Route(
                "POST",
                "/v1/sessions",
                self.start,
                _WRITE,
                described=Described(
                    body=StartRequest,
                    answers={201: shapes_sessions.StartedSession},
                    refusals=(NotFound, SessionInvalid, *shapes.USER_BARS),
                ),
            ),
            Route(
                "GET",
                "/v1/sessions",
                self.list,
                _READ,
                described=Described(query=SessionQuery, answers={200: shapes_sessions.Sessions}),
            ),
            Route(
                "GET",
                "/v1/sessions/{id}",
                self.show,
                _READ,
                described=Described(answers={200: shapes.Session}, refusals=(SessionInvalid,)),
            ),
            Route(
                "POST",
                "/v1/sessions/authenticate",
                self.authenticate,
                _WRITE,
                described=Described(
                    body=AuthenticateRequest, answers={200: shapes_sessions.UsedSession}, refusals=used
                ),
            ),
            Route(
                "POST",
                "/v1/sessions/refresh",
                self.refresh,
                _WRITE,
                described=Described(
                    body=RefreshRequest,
                    answers={200: shapes_sessions.RefreshedSession},
                    refusals=(RefreshTokenInvalid, *shapes.USER_BARS),
                ),
            ),
            Route(
                "POST",
                "/v1/sessions/revoke",
                self.revoke,
                _WRITE,
                described=Described(
                    body=RevokeRequest,
                    answers={200: shapes_sessions.RevokedSessions},
                    refusals=(SessionInvalid,),
                ),
            ),
        ]

    async def start(self, call: Call) -> web.Response:
        """Start a session for a user of the app, whom the app itself signed in."""
        request = await call.body(StartRequest)
        app_id = call.caller.app_id
        await self.requests.check_application(app_id, request.application_id)
        holder = await self.login.sessions.find_holder(app_id, request.user_id)
        if holder is None:
            raise NotFound("no such user")
        factors = tuple(
            {**factor.model_dump(), "at": holder["looked_at"].isoformat()} for factor in request.factors
        )
        asked = Asked(self._attempt_id(call, request.user_id), call.request_id, "api")
        wanted = LoginWanted(application_id=request.application_id, client=client_of(request.client))
        session = SessionWanted(request.expires_in_seconds, request.claims, request.refresh)
        started, since = await self.login.sessions.begin(
            Proven(holder, asked, holder["looked_at"], factors=factors), wanted, session
        )
        answer = {**self.login.answers.session(started), "user": {**holder_view(holder), **since}}
        return json_response(answer, 201, {} if since else {"Idempotency-Replayed": "true"})

    async def list(self, call: Call) -> web.Response:
        """List the live sessions of a user."""
        query = validate(SessionQuery, dict(call.request.query))
        rows = await self.login.sessions.list_live(call.caller.app_id, query.user_id)
        return json_response({"items": [session_view(row) for row in rows]})

    async def show(self, call: Call) -> web.Response:
        """Show a session, whether it lives or not."""
        try:
            session_id = call.path_id()
        except NotFound:
            raise SessionInvalid from None
        return json_response(session_view(await self.login.sessions.find(call.caller.app_id, session_id)))

    async def authenticate(self, call: Call) -> web.Response:
        """Say whose session it is that a session token or a JWT names, and mark it as used."""
        request = await call.body(AuthenticateRequest)
        session_id = self.requests.named(request.session_token or request.jwt or "")
        row = await self.login.sessions.use(
            call.caller.app_id, session_id, Touch(request.expires_in_seconds, request.claims)
        )
        return json_response(self._used(row))

    async def refresh(self, call: Call) -> web.Response:
        """Take a refresh token, and give out the next one if it rotates."""
        request = await call.body(RefreshRequest)
        wanted = RefreshWanted(
            call.caller.app_id,
            request.refresh_token,
            request.rotate,
            request.application_id,
            call.idempotency_key,
            call.request_id,
        )
        row = await self.refreshing.refresh(wanted)
        answer = {**self._used(row), "refresh_token": self.login.sessions.tokens.make_refresh(row)}
        del answer["session_token"]
        if request.application_id is not None:
            answer["registration"] = await self._registration(row, request.application_id)
        return json_response(answer)

    async def revoke(self, call: Call) -> web.Response:
        """Revoke a session, or all of a user or an application."""
        request = await call.body(RevokeRequest)
        app_id, sessions = call.caller.app_id, self.login.sessions
        if request.user_id is not None:
            revoked = await sessions.revoke_of_user(
                app_id, request.user_id, request.application_id, call.request_id
            )
        elif request.application_id is not None:
            revoked = await sessions.revoke_of_application(app_id, request.application_id, call.request_id)
        else:
            revoked = await self._revoke_one(app_id, self._named(request), call.request_id)
        return json_response({"revoked": revoked})

    async def _revoke_one(self, app_id: UUID, session_id: UUID, request_id: str) -> int:
        revoked = await self.login.sessions.revoke(app_id, [session_id], request_id)
        if not revoked:
            # One that is over already is as the caller wants it; one that never was is a mistake of theirs.
            await self.login.sessions.find(app_id, session_id)
        return revoked

    def _named(self, request: RevokeRequest) -> UUID:
        if request.session_id is not None:
            return request.session_id
        if request.refresh_token is not None:
            named = self.login.sessions.tokens.refresh_of(request.refresh_token)
            if named is None:
                raise SessionInvalid
            return named[0].link_id
        return self.requests.named(request.session_token or request.jwt or "")

    def _used(self, row: Row) -> dict[str, Any]:
        token = self.login.sessions.tokens.make(row)
        return {"session": session_view(row), "session_token": token, "user": holder_view(row)}

    async def _registration(self, row: Row, application_id: UUID) -> dict[str, Any] | None:
        found = await self.login.sessions.find_registration(
            row["login_app"], application_id, row["holder_id"]
        )
        return None if found is None or found["id"] is None else registration_view(found)

    def _attempt_id(self, call: Call, user_id: UUID) -> UUID:
        tokens, key = self.login.sessions.tokens, call.idempotency_key
        named = LinkRef(tokens.newest_kid, user_id)
        return (
            uuid4() if key is None else attempt_id(tokens.ring, named, f"session:{call.caller.app_id}:{key}")
        )
