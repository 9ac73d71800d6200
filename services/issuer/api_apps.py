"""`/v1/apps` and their keys: parse, one call, render."""

from dataclasses import dataclass

from aiohttp import web

from services.issuer import shapes
from services.issuer.api_keys import KeyCreate, KeyRegister, key_settings, tell_own_key
from services.issuer.app_identity import VendorQuery
from services.issuer.app_settings import AppCreate, app_settings
from services.issuer.apps import AppRegister, find_app, find_vendor_app, list_apps
from services.issuer.idempotency import guard_of
from services.issuer.paging import PageQuery
from services.issuer.tenancy import Reach
from shared.errors import AlreadyExists, NotFound
from shared.http.routes import ApiKey, Call, Described, Route, json_response, parse_json, read_body, validate
from shared.keys import KeyRing


@dataclass(frozen=True, slots=True)
class AppsApi:
    """The handlers, and what they need."""

    apps: AppRegister
    keys: KeyRegister
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [*self._app_routes(), *self._key_routes()]

    def _app_routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/apps",
                self.create,
                ApiKey("apps:admin"),
                described=Described(body=AppCreate, answers={201: shapes.App}, refusals=(AlreadyExists,)),
            ),
            Route(
                "GET",
                "/v1/apps",
                self.list,
                ApiKey("apps:read"),
                described=Described(query=PageQuery, answers={200: shapes.Apps}),
            ),
            Route(
                "GET",
                "/v1/apps/by-vendor",
                self.find,
                ApiKey("apps:act"),
                described=Described(query=VendorQuery, answers={200: shapes.App}, refusals=(NotFound,)),
            ),
            Route(
                "GET",
                "/v1/apps/{id}",
                self.read,
                ApiKey("apps:read"),
                described=Described(answers={200: shapes.App}),
            ),
            Route(
                "PATCH",
                "/v1/apps/{id}",
                self.change,
                ApiKey("apps:write"),
                described=Described(
                    body=shapes.AppChange, answers={200: shapes.App}, refusals=(AlreadyExists,)
                ),
            ),
        ]

    def _key_routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/apps/{id}/keys",
                self.create_key,
                ApiKey("apps:write"),
                described=Described(body=KeyCreate, answers={201: shapes.NewApiKey}),
            ),
            Route(
                "GET",
                "/v1/apps/{id}/keys",
                self.list_keys,
                ApiKey("apps:read"),
                described=Described(query=PageQuery, answers={200: shapes.ApiKeys}),
            ),
            Route(
                "DELETE",
                "/v1/apps/{id}/keys/{key_id}",
                self.revoke_key,
                ApiKey("apps:write"),
                described=Described(answers={204: None}),
            ),
            Route(
                "GET",
                "/v1/keys/self",
                self.tell_key,
                ApiKey(None),
                described=Described(answers={200: shapes.OwnKey}),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make an app."""
        call.raw = await read_body(call.request, call.max_body_bytes)
        settings = app_settings(parse_json(call.raw), allow_http=self.apps.allow_http)
        answered = await self.apps.create(settings, guard_of(call, self.ring, "POST /v1/apps"))
        return json_response(answered.body, 201, answered.headers)

    async def list(self, call: Call) -> web.Response:
        """List the apps in reach of the key."""
        query = validate(PageQuery, dict(call.request.query))
        return json_response(await list_apps(self.apps.pool, Reach.of(call.caller), query))

    async def find(self, call: Call) -> web.Response:
        """Find the app that answers as a vendor's."""
        query = validate(VendorQuery, dict(call.request.query))
        return json_response(await find_vendor_app(self.apps.pool, query))

    async def read(self, call: Call) -> web.Response:
        """Read an app."""
        return json_response(await find_app(self.apps.pool, Reach.of(call.caller), call.path_id()))

    async def change(self, call: Call) -> web.Response:
        """Change some settings of an app."""
        changes = parse_json(await read_body(call.request, call.max_body_bytes))
        return json_response(await self.apps.change(Reach.of(call.caller), call.path_id(), changes))

    async def create_key(self, call: Call) -> web.Response:
        """Make an API key; its text is told this once."""
        call.raw = await read_body(call.request, call.max_body_bytes)
        wanted = key_settings(parse_json(call.raw), allow_http=self.apps.allow_http)
        guard = guard_of(call, self.ring, "POST /v1/apps/{id}/keys")
        answered = await self.keys.create(call.caller, call.path_id(), wanted, guard)
        return json_response(answered.body, 201, answered.headers)

    async def list_keys(self, call: Call) -> web.Response:
        """List the API keys of an app."""
        query = validate(PageQuery, dict(call.request.query))
        return json_response(await self.keys.list(Reach.of(call.caller), call.path_id(), query))

    async def tell_key(self, call: Call) -> web.Response:
        """Tell what the key that asks may do, and for which app."""
        return json_response(await tell_own_key(self.apps.pool, call.caller))

    async def revoke_key(self, call: Call) -> web.Response:
        """Revoke an API key, at once on every replica."""
        await self.keys.revoke(Reach.of(call.caller), call.path_id(), call.path_id("key_id"))
        return web.Response(status=204)
