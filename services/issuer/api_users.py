"""`/v1/users`: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import shapes
from services.issuer.idempotency import guard_of
from services.issuer.user_fields import UserCreate, UserPatch, UserQuery
from services.issuer.user_search import UserSearch, search_users
from services.issuer.users import Users, find_user
from shared.errors import AlreadyExists
from shared.http.routes import ApiKey, Call, Described, Route, json_response, validate
from shared.http.shapes import User
from shared.keys import KeyRing


@dataclass(frozen=True, slots=True)
class UsersApi:
    """The handlers, and what they need."""

    users: Users
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/users",
                self.create,
                ApiKey("users:write"),
                described=Described(body=UserCreate, answers={201: User}, refusals=(AlreadyExists,)),
            ),
            Route(
                "GET",
                "/v1/users",
                self.search,
                ApiKey("users:read"),
                described=Described(query=UserQuery, answers={200: shapes.Users}),
            ),
            Route(
                "POST",
                "/v1/users/search",
                self.filter,
                ApiKey("users:read"),
                described=Described(body=UserSearch, answers={200: shapes.FoundUsers}, idempotent=False),
            ),
            Route(
                "GET",
                "/v1/users/{id}",
                self.read,
                ApiKey("users:read"),
                described=Described(answers={200: User}),
            ),
            Route(
                "PATCH",
                "/v1/users/{id}",
                self.change,
                ApiKey("users:write"),
                described=Described(body=UserPatch, answers={200: User}, refusals=(AlreadyExists,)),
            ),
            Route(
                "DELETE",
                "/v1/users/{id}",
                self.delete,
                ApiKey("users:write"),
                described=Described(answers={204: None}),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a user."""
        user = await call.body(UserCreate)
        guard = guard_of(call, self.ring, "POST /v1/users")
        answered = await self.users.create(call.caller.app_id, user, guard)
        return json_response(answered.body, 201, answered.headers)

    async def search(self, call: Call) -> web.Response:
        """List the users of the app, or find the one with an address, a user name or another system's id."""
        query = validate(UserQuery, dict(call.request.query))
        return json_response(await self.users.search(call.caller.app_id, query))

    async def filter(self, call: Call) -> web.Response:
        """Search users by filters."""
        wanted = await call.body(UserSearch)
        return json_response(await search_users(self.users.pool, call.caller.app_id, wanted))

    async def read(self, call: Call) -> web.Response:
        """Read a user."""
        return json_response(await find_user(self.users.pool, call.caller.app_id, call.path_id()))

    async def change(self, call: Call) -> web.Response:
        """Change a user; live links are revoked when an address changes."""
        patch = await call.body(UserPatch)
        headers = {"x-request-id": call.request_id}
        return json_response(await self.users.change(call.caller, call.path_id(), patch, headers))

    async def delete(self, call: Call) -> web.Response:
        """Delete a user and revoke what could still sign them in."""
        headers = {"x-request-id": call.request_id}
        await self.users.delete(call.caller.app_id, call.path_id(), headers)
        return web.Response(status=204)
