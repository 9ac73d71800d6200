"""The HTTP edge: request ids, limits, authentication, time limits, problems, logs and metrics around every handler.

The order is the defence: limits before look-ups, authentication before bodies. What a handler raises becomes an answer here
and nowhere else.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache as kept
from ipaddress import IPv4Network, IPv6Network

import structlog
from aiohttp import hdrs, web
from prometheus_client import Histogram
from structlog.contextvars import bind_contextvars

from shared.api_keys import ApiKeys
from shared.cache import Cache
from shared.clock import monotonic
from shared.deadlines import Deadlines
from shared.errors import InternalFault, NotFound, Unavailable
from shared.http.addresses import asking_address, client_address
from shared.http.answers import DRAINING, Draining
from shared.http.problems import as_refusal, problem_response
from shared.http.routes import ApiKey, Call, RefusalView, Route
from shared.limits import FailOpenBucket
from shared.log import REQUEST_ID
from shared.metrics import HTTP_SECONDS, SHED
from shared.request_log import REQUEST_LOG
from shared.settings import HttpSettings, parse_networks
from shared.stocked_limit import Limit, StockedBucket

log = structlog.get_logger()

_MOST_AT_ONCE = 256

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Capacity:
    """How many requests a process answers at once, at most; past that it sheds them, so that those it took stay quick."""

    most: int
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """What stands around every handler of a service."""

    api_keys: ApiKeys | None  # None: every route is public
    address_limit: Limit
    key_limit: Limit
    request_timeout_seconds: float
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = ()
    capacity: "Capacity" = field(default_factory=lambda: Capacity(_MOST_AT_ONCE))
    draining: Draining = field(default_factory=Draining)

    def application(
        self, routes: Sequence[Route], unmatched_view: RefusalView | None = None
    ) -> web.Application:
        """Build the aiohttp application that serves these routes. `unmatched_view` answers 404 to what none of them takes."""
        app = web.Application()
        app[DRAINING] = self.draining
        for route in routes:
            app.router.add_route(route.method, route.path, self.around(route))
        app.router.add_route("*", "/{anything:.*}", self._unmatched(app, unmatched_view))
        return app

    def around(self, route: Route) -> WebHandler:
        """Return the aiohttp handler of a route."""
        deadlines = Deadlines(self.request_timeout_seconds)
        capacity, draining = self.capacity, self.draining

        async def handle(request: web.Request) -> web.StreamResponse:
            started = monotonic()
            request_id = _request_id(request)
            # Each request is answered in a task, and so in a context, of its own.
            bind_contextvars(request_id=request_id)
            if capacity.taken >= capacity.most:
                response = _shed(route, request, request_id)
            else:
                capacity.taken += 1
                try:
                    with deadlines.limit():
                        response = await self._answer(route, request, request_id)
                except Exception as error:  # noqa: BLE001 - each becomes an answer; those of ours are logged whole
                    response = _refuse(route, request, error, request_id)
                finally:
                    capacity.taken -= 1
            for name, value in route.headers.items():
                response.headers.setdefault(name, value)
            response.headers["X-Request-Id"] = request_id
            if draining.on:
                response.force_close()
            seconds = monotonic() - started
            # The route's pattern, never the path: `/l/{token}` with its token is a credential.
            _seconds_of(route.path, request.method, response.status).observe(seconds)
            REQUEST_LOG.write(request.method, route.path, response.status, seconds, request_id)
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

    def _unmatched(self, app: web.Application, view: RefusalView | None) -> WebHandler:
        """Return what answers where no route does. A route itself: a middleware around all others would cost each of them."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = _unmatched_response(request, await _allowed_methods(app, request), view)
            if self.draining.on:
                response.force_close()
            return response

        return answer


def make_edge(settings: HttpSettings, cache: Cache, api_keys: ApiKeys | None) -> Edge:
    """Return the edge as the settings want it."""
    return Edge(
        api_keys=api_keys,
        address_limit=StockedBucket(FailOpenBucket(cache, "address", settings.rate_per_address)),
        key_limit=StockedBucket(FailOpenBucket(cache, "key", settings.rate_per_key)),
        request_timeout_seconds=settings.request_timeout_seconds,
        trusted_proxies=parse_networks(settings.trusted_proxies),
        capacity=Capacity(settings.max_requests_at_once),
    )


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id")
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    # Nobody must be kept from guessing it, and the system's random source takes a call each time.
    return f"{random.getrandbits(128):032x}"


def _shed(route: Route, request: web.Request, request_id: str) -> web.StreamResponse:
    # Before any limit and look-up, and without a line of its own: a flood of these must cost next to nothing.
    SHED.inc()
    refusal = Unavailable("the service is at its capacity", retry_after_seconds=1)
    return (route.refusal_view or problem_response)(request, refusal, request_id)


def _refuse(route: Route, request: web.Request, error: Exception, request_id: str) -> web.StreamResponse:
    refusal = as_refusal(error)
    if refusal is None:
        log.error("request_failed", route=route.path, exc_info=error)
        refusal = InternalFault()
    if isinstance(refusal, Unavailable):
        log.warning("unavailable", route=route.path, reason=str(refusal), cause=type(error).__name__)
    return (route.refusal_view or problem_response)(request, refusal, request_id)


@kept
def _seconds_of(route: str, method: str, status: int) -> Histogram:
    return HTTP_SECONDS.labels(route=route, method=method, status=status)


async def _allowed_methods(app: web.Application, request: web.Request) -> str:
    """Return the methods that the path of a request takes, as `Allow` says them: none for a path that is not there."""
    allowed: set[str] = set()
    for resource in app.router.resources():
        allowed |= (await resource.resolve(request))[1]
    return ", ".join(sorted(allowed - {hdrs.METH_ANY}))


def _unmatched_response(request: web.Request, allowed: str, view: RefusalView | None) -> web.StreamResponse:
    request_id = _request_id(request)
    # Who has words of their own has them for 404 alone, which RFC 9110 §15.5.5 lets stand for a method that is not there as well.
    if not allowed or view is not None:
        response = (view or problem_response)(request, NotFound("no such route"), request_id)
        response.headers["X-Request-Id"] = request_id
        return response
    return web.json_response(
        {"type": "about:blank", "title": "Method Not Allowed", "status": 405, "code": "http_error"},
        status=405,
        content_type="application/problem+json",
        headers={"Allow": allowed, "X-Request-Id": request_id},
    )
