"""The HTTP edge: request ids, limits, authentication, time limits, problems, logs and metrics around every handler.

The order is the defence: limits before look-ups, authentication before bodies. What a handler raises becomes an answer here
and nowhere else.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from structlog.contextvars import bind_contextvars, clear_contextvars

from shared.api_keys import ApiKeys
from shared.cache import Cache
from shared.clock import monotonic
from shared.errors import InternalFault, NotFound, Unavailable
from shared.http.addresses import asking_address, client_address
from shared.http.problems import as_refusal, problem_response
from shared.http.routes import ApiKey, Call, RefusalView, Route
from shared.limits import FailOpenBucket
from shared.log import REQUEST_ID
from shared.metrics import HTTP_SECONDS
from shared.settings import HttpSettings, parse_networks

log = structlog.get_logger()

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Edge:
    """What stands around every handler of a service."""

    api_keys: ApiKeys | None  # None: every route is public
    address_limit: FailOpenBucket
    key_limit: FailOpenBucket
    request_timeout_seconds: float
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = ()

    def application(
        self, routes: Sequence[Route], unmatched_view: RefusalView | None = None
    ) -> web.Application:
        """Build the aiohttp application that serves these routes. `unmatched_view` answers 404 to what none of them takes."""
        app = web.Application(middlewares=[_unmatched(unmatched_view)])
        for route in routes:
            app.router.add_route(route.method, route.path, self.around(route))
        return app

    def around(self, route: Route) -> WebHandler:
        """Return the aiohttp handler of a route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            started = monotonic()
            request_id = _request_id(request)
            clear_contextvars()
            bind_contextvars(request_id=request_id)
            try:
                async with asyncio.timeout(self.request_timeout_seconds):
                    response = await self._answer(route, request, request_id)
            except Exception as error:  # noqa: BLE001 - each becomes an answer; those of ours are logged whole
                response = _refuse(route, request, error, request_id)
            for name, value in route.headers.items():
                response.headers.setdefault(name, value)
            response.headers["X-Request-Id"] = request_id
            _report(route, request, response, monotonic() - started)
            return response

        return handle

    async def _answer(self, route: Route, request: web.Request, request_id: str) -> web.StreamResponse:
        address = client_address(request.remote, request.headers.get("X-Forwarded-For"), self.trusted_proxies)
        asking_address.set(address)
        await self.address_limit.take(address, route.tokens)
        caller = None
        if isinstance(route.auth, ApiKey):
            if self.api_keys is None:
                raise RuntimeError(f"{route.path} needs API keys, and this service has none")
            caller = await self.api_keys.check(
                request.headers.get("Authorization"), request.headers.get("Magiclink-App")
            )
            # With its app: a key that acts for many (`apps:act`) shall not lose all of them to a flood at one.
            await self.key_limit.take(f"{caller.key_id}:{caller.app_id}", route.tokens)
            if route.auth.scope is not None:
                caller.require(route.auth.scope)
        return await route.handler(Call(request, request_id, address, caller, route.max_body_bytes))


def make_edge(settings: HttpSettings, cache: Cache, api_keys: ApiKeys | None) -> Edge:
    """Return the edge as the settings want it."""
    return Edge(
        api_keys=api_keys,
        address_limit=FailOpenBucket(cache, "address", settings.rate_per_address),
        key_limit=FailOpenBucket(cache, "key", settings.rate_per_key),
        request_timeout_seconds=settings.request_timeout_seconds,
        trusted_proxies=parse_networks(settings.trusted_proxies),
    )


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _refuse(route: Route, request: web.Request, error: Exception, request_id: str) -> web.StreamResponse:
    refusal = as_refusal(error)
    if refusal is None:
        log.error("request_failed", route=route.path, exc_info=error)
        refusal = InternalFault()
    if isinstance(refusal, Unavailable):
        log.warning("unavailable", route=route.path, reason=str(refusal), cause=type(error).__name__)
    return (route.refusal_view or problem_response)(request, refusal, request_id)


def _report(route: Route, request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    # The route's pattern, never the path: `/l/{token}` with its token is a credential.
    HTTP_SECONDS.labels(route=route.path, method=request.method, status=response.status).observe(seconds)
    log.info(
        "request",
        method=request.method,
        route=route.path,
        status=response.status,
        ms=round(seconds * 1000, 2),
    )


def _unmatched(view: RefusalView | None) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _unmatched_response(request, error, view)

    return answer


def _unmatched_response(
    request: web.Request, error: web.HTTPException, view: RefusalView | None
) -> web.StreamResponse:
    request_id = _request_id(request)
    # Who has words of their own has them for 404 alone, which RFC 9110 §15.5.5 lets stand for a method that is not there as well.
    if error.status == 404 or (error.status == 405 and view is not None):
        response = (view or problem_response)(request, NotFound("no such route"), request_id)
        response.headers["X-Request-Id"] = request_id
        return response
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return web.json_response(
        {"type": "about:blank", "title": error.reason, "status": error.status, "code": "http_error"},
        status=error.status,
        content_type="application/problem+json",
        headers={**allowed, "X-Request-Id": request_id},
    )
