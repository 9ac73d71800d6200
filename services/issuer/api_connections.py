"""`/v1/connections`: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import directory_shapes as shapes
from services.issuer.connections import (
    ConnectionCreate,
    ConnectionQuery,
    Connections,
    find_connection,
    list_connections,
)
from shared.http.routes import ApiKey, Call, Described, Route, json_response, validate


@dataclass(frozen=True, slots=True)
class ConnectionsApi:
    """The handlers, and what they need."""

    connections: Connections

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/connections",
                self.ensure,
                ApiKey("links:create"),
                described=Described(
                    body=ConnectionCreate, answers={200: shapes.Connection}, idempotent=False
                ),
            ),
            Route(
                "GET",
                "/v1/connections",
                self.list,
                ApiKey("users:read"),
                described=Described(query=ConnectionQuery, answers={200: shapes.Connections}),
            ),
            Route(
                "GET",
                "/v1/connections/{id}",
                self.read,
                ApiKey("users:read"),
                described=Described(answers={200: shapes.Connection}),
            ),
        ]

    async def ensure(self, call: Call) -> web.Response:
        """Return the connection of an e-mail domain, made if there is none."""
        wanted = await call.body(ConnectionCreate)
        return json_response(await self.connections.ensure(call.caller.app_id, wanted))

    async def list(self, call: Call) -> web.Response:
        """List the connections of the app, or find the one of a domain."""
        query = validate(ConnectionQuery, dict(call.request.query))
        return json_response(await list_connections(self.connections.pool, call.caller.app_id, query))

    async def read(self, call: Call) -> web.Response:
        """Read a connection."""
        return json_response(await find_connection(self.connections.pool, call.caller.app_id, call.path_id()))
