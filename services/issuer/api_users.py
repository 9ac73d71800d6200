"""`/v1/users`: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer.idempotency import guard_of
from services.issuer.users import UserCreate, UserPatch, UserQuery, Users, find_user
from shared.http.routes import ApiKey, Call, Route, json_response, validate
from shared.keys import KeyRing


@dataclass(frozen=True, slots=True)
class UsersApi:
    """The handlers, and what they need."""

    users: Users
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v1/users", self.create, ApiKey("users:write")),
            Route("GET", "/v1/users", self.search, ApiKey("users:read")),
            Route("GET", "/v1/users/{id}", self.read, ApiKey("users:read")),
            Route("PATCH", "/v1/users/{id}", self.change, ApiKey("users:write")),
            Route("DELETE", "/v1/users/{id}", self.delete, ApiKey("users:write")),
        ]

    async def create(self, call: Call) -> web.Response:
        user = await call.body(UserCreate)
        guard = guard_of(call, self.ring, "POST /v1/users")
        answered = await self.users.create(call.caller.app_id, user, guard)
        return json_response(answered.body, 201, answered.headers)

    async def search(self, call: Call) -> web.Response:
        query = validate(UserQuery, dict(call.request.query))
        return json_response(await self.users.search(call.caller.app_id, query))

    async def read(self, call: Call) -> web.Response:
        return json_response(await find_user(self.users.pool, call.caller.app_id, call.path_id()))

    async def change(self, call: Call) -> web.Response:
        patch = await call.body(UserPatch)
        headers = {"x-request-id": call.request_id}
        return json_response(await self.users.change(call.caller.app_id, call.path_id(), patch, headers))

    async def delete(self, call: Call) -> web.Response:
        headers = {"x-request-id": call.request_id}
        await self.users.delete(call.caller.app_id, call.path_id(), headers)
        return web.Response(status=204)
