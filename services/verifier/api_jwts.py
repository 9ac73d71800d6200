"""JWTs of sessions, what a JWT is worth, and polls for a link's use: parse, one call, render."""

from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from services.verifier import shapes, shapes_sessions
from services.verifier.attempt import Attempt
from services.verifier.jwts import Jwts, JwtWanted
from services.verifier.login_requests import LoginRequests, RedeemRequest, Text
from services.verifier.poll import Poll
from services.verifier.session_requests import IntrospectRequest, JwtRequest
from shared.errors import LinkInvalid, SessionInvalid
from shared.http.routes import ApiKey, Call, Described, Route, json_response
from shared.keys import KeyRing
from shared.tokens import read_poll_token


class PollRequest(RedeemRequest):
    """The body of `POST /v1/links/poll`."""

    poll_token: Text


@dataclass(frozen=True, slots=True)
class JwtsApi:
    """The handlers, and what they need."""

    jwts: Jwts
    polls: Poll
    requests: LoginRequests
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/sessions/{id}/jwt",
                self.make,
                ApiKey("sessions:write"),
                described=Described(
                    body=JwtRequest,
                    answers={200: shapes_sessions.SessionJwt},
                    refusals=(SessionInvalid, *shapes.USER_BARS),
                    idempotent=False,
                ),
            ),
            Route(
                "POST",
                "/v1/jwts/introspect",
                self.introspect,
                ApiKey("sessions:read"),
                described=Described(
                    body=IntrospectRequest, answers={200: shapes_sessions.Introspected}, idempotent=False
                ),
            ),
            Route(
                "POST",
                "/v1/links/poll",
                self.poll,
                ApiKey("links:verify"),
                described=Described(
                    body=PollRequest,
                    answers={200: shapes_sessions.Polled},
                    refusals=(LinkInvalid, *shapes.LOGIN_REFUSALS),
                    idempotent=False,
                ),
            ),
        ]

    async def make(self, call: Call) -> web.Response:
        """Make a JWT of a live session."""
        request = await call.body(JwtRequest)
        wanted = JwtWanted(request.jwt_claims, request.ttl_seconds, request.audience)
        return json_response(await self.jwts.make(call.caller.app_id, call.path_id(), wanted))

    async def introspect(self, call: Call) -> web.Response:
        """Say whether a JWT is one of this app's, in its time, and whether its session lives (RFC 7662)."""
        request = await call.body(IntrospectRequest)
        return json_response(await self.jwts.introspect(call.caller.app_id, request.jwt))

    async def poll(self, call: Call) -> web.Response:
        """Say where a link stands and, for ten minutes after it was used, sign in who waited for that."""
        request = await call.body(PollRequest)
        link = read_poll_token(self.ring, request.poll_token)
        if link is None:
            raise LinkInvalid
        app_id = call.caller.app_id
        wanted = await self.requests.wanted(app_id, request)
        terms = await self.requests.terms(app_id, request, wanted)
        attempt = Attempt(link, uuid4(), app_id, "api", call.request_id, terms=terms)
        return json_response(await self.polls.ask(attempt, wanted))
