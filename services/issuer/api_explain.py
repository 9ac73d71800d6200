"""`POST /v1/links/explain`: parse, explain, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import shapes
from services.issuer.explain import Explain
from services.issuer.policy import Apps
from shared.http.routes import ApiKey, Call, Described, Route, json_response, parse_json, read_body
from shared.links import LinkRequest


@dataclass(frozen=True, slots=True)
class ExplainApi:
    """The handler, and what it needs."""

    apps: Apps
    explain: Explain

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/links/explain",
                self.tell,
                ApiKey("links:create"),
                described=Described(body=LinkRequest, answers={200: shapes.Explanation}, idempotent=False),
            )
        ]

    async def tell(self, call: Call) -> web.Response:
        """Say what `POST /v1/links` would do with this body, and why it would refuse it. Makes nothing."""
        body = parse_json(await read_body(call.request, call.max_body_bytes))
        app = await self.apps.get(call.caller.app_id)
        return json_response(await self.explain.explain(app, call.caller, body))
