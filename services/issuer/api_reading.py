"""Links and messages after they were made: read them, revoke them. Nothing here ever tells a token."""

from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from services.issuer.idempotency import guard_of
from services.issuer.reading import link_history, message_history
from services.issuer.revoke import Revoke
from shared.database import Pool
from shared.http.routes import ApiKey, Call, Route, json_response, parse_json, read_body, validate
from shared.keys import KeyRing


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
            Route("GET", "/v1/links/{id}", self.read_link, ApiKey("links:create")),
            Route("POST", "/v1/links/{id}/revoke", self.revoke_link, ApiKey("links:create")),
            Route("GET", "/v1/messages/{id}", self.read_message, ApiKey("messages:read")),
        ]

    async def read_link(self, call: Call) -> web.Response:
        show_recipients = call.caller.may("messages:read")
        history = await link_history(
            self.pool, call.caller.app_id, call.path_id(), show_recipients=show_recipients
        )
        return json_response(history)

    async def revoke_link(self, call: Call) -> web.Response:
        call.raw = await read_body(call.request, call.max_body_bytes)
        if call.raw:
            validate(Nothing, parse_json(call.raw))
        guard = guard_of(call, self.ring, "POST /v1/links/{id}/revoke")
        headers = {"x-request-id": call.request_id}
        answered = await self.revoke.one(call.caller.app_id, call.path_id(), guard, headers)
        return json_response({"link": answered.body}, 200, answered.headers)

    async def read_message(self, call: Call) -> web.Response:
        return json_response(await message_history(self.pool, call.caller.app_id, call.path_id()))
