"""`POST /v1/links/{id}/send` and `/resend`: parse, send, render as the answer that makes a link."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import shapes
from services.issuer.api_links import LinksApi
from services.issuer.idempotency import Answered, guard_of
from services.issuer.resend import Resend, ResendRequest
from services.issuer.send import Send, SendRequest
from services.issuer.sending import Asker
from shared.errors import AlreadySent, LinkOver, NotFound, NotSent, RateLimited
from shared.http.routes import (
    ApiKey,
    Call,
    Described,
    Route,
    json_response,
    parse_json,
    read_body,
    validate,
)


@dataclass(frozen=True, slots=True)
class SendingApi:
    """The handlers, and what they need. `links` shows a link as it showed it to its maker."""

    send: Send
    resend: Resend
    links: LinksApi

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/links/{id}/send",
                self.send_link,
                ApiKey("links:create"),
                described=Described(
                    body=SendRequest,
                    answers={200: shapes.MadeLink},
                    refusals=(NotFound, LinkOver, AlreadySent, RateLimited),
                ),
            ),
            Route(
                "POST",
                "/v1/links/{id}/resend",
                self.resend_link,
                ApiKey("links:create"),
                described=Described(
                    body=ResendRequest,
                    answers={200: shapes.MadeLink},
                    refusals=(NotFound, LinkOver, NotSent, RateLimited),
                ),
            ),
        ]

    async def send_link(self, call: Call) -> web.Response:
        """Send a link that was made unsent."""
        request = await call.body(SendRequest)
        asker = await self._asker(call, "POST /v1/links/{id}/send")
        return self._answer(call, asker, await self.send.one(asker, request))

    async def resend_link(self, call: Call) -> web.Response:
        """Send a link again, perhaps by another channel; its end stays, its passcode is a new one."""
        call.raw = await read_body(call.request, call.max_body_bytes)
        request = validate(ResendRequest, parse_json(call.raw) if call.raw else {})
        asker = await self._asker(call, "POST /v1/links/{id}/resend")
        return self._answer(call, asker, await self.resend.one(asker, request))

    async def _asker(self, call: Call, scope: str) -> Asker:
        return Asker(
            app=await self.links.apps.get(call.caller.app_id),
            link_id=call.path_id(),
            limits=call.caller.limits,
            guard=guard_of(call, self.links.ring, scope),
            headers={"x-request-id": call.request_id},
        )

    def _answer(self, call: Call, asker: Asker, answered: Answered) -> web.Response:
        return json_response(self.links.view(answered.body["issued"], asker.app, call), 200, answered.headers)
