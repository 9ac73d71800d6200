"""`/v1/webhooks`: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import shapes_webhooks as shapes
from services.issuer.api_reading import Nothing
from services.issuer.idempotency import guard_of
from services.issuer.paging import PageQuery
from services.issuer.webhooks import WebhookCreate, Webhooks
from shared.errors import NotFound
from shared.http.routes import ApiKey, Call, Described, Route, json_response, parse_json, read_body, validate


@dataclass(frozen=True, slots=True)
class WebhooksApi:
    """The handlers, and what they need. `allow_http` is for the dev environment."""

    webhooks: Webhooks
    allow_http: bool

    def routes(self) -> list[Route]:
        read, write = ApiKey("apps:read"), ApiKey("apps:write")
        return [
            Route(
                "POST",
                "/v1/webhooks",
                self.create,
                write,
                described=Described(body=WebhookCreate, answers={201: shapes.NewWebhook}),
            ),
            Route(
                "GET",
                "/v1/webhooks",
                self.list,
                read,
                described=Described(query=PageQuery, answers={200: shapes.Webhooks}),
            ),
            Route(
                "GET",
                "/v1/webhooks/{id}",
                self.read,
                read,
                described=Described(answers={200: shapes.Webhook}, refusals=(NotFound,)),
            ),
            Route(
                "DELETE", "/v1/webhooks/{id}", self.delete, write, described=Described(answers={204: None})
            ),
            Route(
                "POST",
                "/v1/webhooks/{id}/test",
                self.test,
                write,
                described=Described(body=Nothing, answers={202: shapes.TestEvent}, refusals=(NotFound,)),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a webhook endpoint; its signing secret is told this once."""
        call.raw = await read_body(call.request, call.max_body_bytes)
        wanted = validate(WebhookCreate, parse_json(call.raw), context={"allow_http": self.allow_http})
        guard = guard_of(call, self.webhooks.ring, "POST /v1/webhooks")
        answered = await self.webhooks.create(call.caller.app_id, wanted, guard)
        return json_response(answered.body, 201, answered.headers)

    async def list(self, call: Call) -> web.Response:
        """List the webhook endpoints of the app."""
        query = validate(PageQuery, dict(call.request.query))
        return json_response(await self.webhooks.list(call.caller.app_id, query))

    async def read(self, call: Call) -> web.Response:
        """Read a webhook endpoint."""
        return json_response(await self.webhooks.read(call.caller.app_id, call.path_id()))

    async def delete(self, call: Call) -> web.Response:
        """Delete a webhook endpoint, and what waits for it."""
        await self.webhooks.delete(call.caller.app_id, call.path_id())
        return web.Response(status=204)

    async def test(self, call: Call) -> web.Response:
        """Send an endpoint an event that is made for it."""
        call.raw = await read_body(call.request, call.max_body_bytes)
        if call.raw:
            validate(Nothing, parse_json(call.raw))
        guard = guard_of(call, self.webhooks.ring, "POST /v1/webhooks/{id}/test")
        answered = await self.webhooks.test(call.caller.app_id, call.path_id(), guard, call.request_id)
        return json_response(answered.body, 202, answered.headers)
