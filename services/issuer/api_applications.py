"""`/v1/applications`: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import directory_shapes as shapes
from services.issuer.applications import (
    ApplicationCreate,
    ApplicationPatch,
    Applications,
    find_application,
    list_applications,
)
from services.issuer.idempotency import guard_of
from services.issuer.paging import PageQuery
from shared.errors import AlreadyExists
from shared.http.routes import ApiKey, Call, Described, Route, json_response, validate
from shared.keys import KeyRing


@dataclass(frozen=True, slots=True)
class ApplicationsApi:
    """The handlers, and what they need."""

    applications: Applications
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/applications",
                self.create,
                ApiKey("users:write"),
                described=Described(
                    body=ApplicationCreate, answers={201: shapes.Application}, refusals=(AlreadyExists,)
                ),
            ),
            Route(
                "GET",
                "/v1/applications",
                self.list,
                ApiKey("users:read"),
                described=Described(query=PageQuery, answers={200: shapes.Applications}),
            ),
            Route(
                "GET",
                "/v1/applications/{id}",
                self.read,
                ApiKey("users:read"),
                described=Described(answers={200: shapes.Application}),
            ),
            Route(
                "PATCH",
                "/v1/applications/{id}",
                self.change,
                ApiKey("users:write"),
                described=Described(body=ApplicationPatch, answers={200: shapes.Application}),
            ),
            Route(
                "DELETE",
                "/v1/applications/{id}",
                self.delete,
                ApiKey("users:write"),
                described=Described(answers={204: None}),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make an application."""
        wanted = await call.body(ApplicationCreate)
        guard = guard_of(call, self.ring, "POST /v1/applications")
        answered = await self.applications.create(call.caller.app_id, wanted, guard)
        return json_response(answered.body, 201, answered.headers)

    async def list(self, call: Call) -> web.Response:
        """List the applications of the app."""
        query = validate(PageQuery, dict(call.request.query))
        return json_response(await list_applications(self.applications.pool, call.caller.app_id, query))

    async def read(self, call: Call) -> web.Response:
        """Read an application."""
        found = await find_application(self.applications.pool, call.caller.app_id, call.path_id())
        return json_response(found)

    async def change(self, call: Call) -> web.Response:
        """Change an application."""
        patch = await call.body(ApplicationPatch)
        return json_response(await self.applications.change(call.caller.app_id, call.path_id(), patch))

    async def delete(self, call: Call) -> web.Response:
        """Delete an application with its registrations, and end its sessions."""
        headers = {"x-request-id": call.request_id}
        await self.applications.delete(call.caller.app_id, call.path_id(), headers)
        return web.Response(status=204)
