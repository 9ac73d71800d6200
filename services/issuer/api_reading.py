"""Links and messages after they were made: read them, revoke them. Nothing here ever tells a token."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from services.issuer import shapes
from services.issuer.idempotency import guard_of
from services.issuer.reading import link_history, message_history
from services.issuer.revoke import Revoke, RevokeRequest
from shared.database import Pool
from shared.http.routes import ApiKey, Call, Described, Route, json_response, parse_json, read_body, validate
from shared.keys import KeyRing

# One call may revoke thousands of links.
_REVOKE_TOKENS: Final = 5


class Nothing(BaseModel):
    """The body of a POST whose path says everything: none, or an empty object."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class ReadingApi:
    """The handlers, and what they need."""

    pool: Pool
    revoke: Revoke
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/v1/links/{id}",
                self.read_link,
                ApiKey("links:create"),
                described=Described(answers={200: shapes.LinkHistory}),
            ),
            Route(
                "POST",
                "/v1/links/{id}/revoke",
                self.revoke_link,
                ApiKey("links:create"),
                described=Described(body=Nothing, answers={200: shapes.RevokedLink}),
            ),
            Route(
                "POST",
                "/v1/links/revoke",
                self.revoke_links_of_user,
                ApiKey("links:create"),
                tokens=_REVOKE_TOKENS,
                described=Described(body=RevokeRequest, answers={200: shapes.RevokedLinks}),
            ),
            Route(
                "GET",
                "/v1/messages/{id}",
                self.read_message,
                ApiKey("messages:read"),
                described=Described(answers={200: shapes.MessageHistory}),
            ),
        ]

    async def read_link(self, call: Call) -> web.Response:
        """Read a link, its messages and its timeline."""
        show_recipients = call.caller.may("messages:read")
        history = await link_history(
            self.pool, call.caller.app_id, call.path_id(), show_recipients=show_recipients
        )
        return json_response(history)

    async def revoke_link(self, call: Call) -> web.Response:
        """Revoke a link; again is fine."""
        call.raw = await read_body(call.request, call.max_body_bytes)
        if call.raw:
            validate(Nothing, parse_json(call.raw))
        guard = guard_of(call, self.ring, "POST /v1/links/{id}/revoke")
        headers = {"x-request-id": call.request_id}
        answered = await self.revoke.one(call.caller.app_id, call.path_id(), guard, headers)
        return json_response({"link": answered.body}, 200, answered.headers)

    async def revoke_links_of_user(self, call: Call) -> web.Response:
        """Revoke every live link of a user; the same answer, with 0, for a user who is not there."""
        wanted = await call.body(RevokeRequest)
        guard = guard_of(call, self.ring, "POST /v1/links/revoke")
        headers = {"x-request-id": call.request_id}
        answered = await self.revoke.of_user(call.caller.app_id, wanted, guard, headers)
        return json_response(answered.body, 200, answered.headers)

    async def read_message(self, call: Call) -> web.Response:
        """Read a message and each attempt to send it."""
        return json_response(await message_history(self.pool, call.caller.app_id, call.path_id()))
