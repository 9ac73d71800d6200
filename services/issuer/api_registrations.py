"""`/v1/users/{id}/registrations`: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import directory_shapes as shapes
from services.issuer.idempotency import guard_of
from services.issuer.registrations import (
    RegistrationCreate,
    RegistrationPatch,
    Registrations,
    find_registration,
    list_registrations,
)
from shared.errors import AlreadyExists
from shared.http.routes import ApiKey, Call, Described, Route, json_response
from shared.http.shapes import Registration
from shared.keys import KeyRing

_ALL = "/v1/users/{id}/registrations"
_ONE = "/v1/users/{id}/registrations/{application_id}"


@dataclass(frozen=True, slots=True)
class RegistrationsApi:
    """The handlers, and what they need."""

    registrations: Registrations
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                _ALL,
                self.create,
                ApiKey("users:write"),
                described=Described(
                    body=RegistrationCreate, answers={201: Registration}, refusals=(AlreadyExists,)
                ),
            ),
            Route(
                "GET",
                _ALL,
                self.list,
                ApiKey("users:read"),
                described=Described(answers={200: shapes.Registrations}),
            ),
            Route(
                "GET",
                _ONE,
                self.read,
                ApiKey("users:read"),
                described=Described(answers={200: Registration}),
            ),
            Route(
                "PATCH",
                _ONE,
                self.change,
                ApiKey("users:write"),
                described=Described(body=RegistrationPatch, answers={200: Registration}),
            ),
            Route(
                "DELETE",
                _ONE,
                self.delete,
                ApiKey("users:write"),
                described=Described(answers={204: None}),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Register a user for an application."""
        wanted = await call.body(RegistrationCreate)
        guard = guard_of(call, self.ring, f"POST {_ALL}")
        answered = await self.registrations.create(call.caller.app_id, call.path_id(), wanted, guard)
        return json_response(answered.body, 201, answered.headers)

    async def list(self, call: Call) -> web.Response:
        """List the registrations of a user."""
        found = await list_registrations(self.registrations.pool, call.caller.app_id, call.path_id())
        return json_response(found)

    async def read(self, call: Call) -> web.Response:
        """Read a registration."""
        named = (call.path_id(), call.path_id("application_id"))
        return json_response(await find_registration(self.registrations.pool, call.caller.app_id, *named))

    async def change(self, call: Call) -> web.Response:
        """Change a registration."""
        patch = await call.body(RegistrationPatch)
        user_id, application_id = call.path_id(), call.path_id("application_id")
        changed = await self.registrations.change(call.caller.app_id, user_id, application_id, patch)
        return json_response(changed)

    async def delete(self, call: Call) -> web.Response:
        """Delete a registration, and end the user's sessions with the application."""
        headers = {"x-request-id": call.request_id}
        named = (call.path_id(), call.path_id("application_id"))
        await self.registrations.delete(call.caller.app_id, *named, headers)
        return web.Response(status=204)
