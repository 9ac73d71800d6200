import asyncio
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from shared.api_keys import ApiKeys
from shared.errors import LinkConsumed, RateLimited, Unauthorized
from shared.http.addresses import asking_address
from shared.http.edge import Capacity, Edge
from shared.http.routes import ApiKey, Call, Caller, Public, Route
from shared.limits import FailOpenBucket
from shared.metrics import SHED
from shared.settings import parse_networks

TOKEN = "a" + "Z" * 38


class Doors:
    """Stands in for limits and keys, and writes down who came through which, in order."""

    def __init__(self, scopes: set[str], *, limited: str = "") -> None:
        self.passed: list[str] = []
        self.charged: list[str] = []
        self._limited = limited
        self.caller = Caller(uuid4(), uuid4(), frozenset(scopes))

    async def check(self, authorization: str | None, acts_for: str | None = None) -> Caller:
        self.passed.append("key")
        if authorization is None:
            raise Unauthorized
        return self.caller if acts_for is None else replace(self.caller, app_id=UUID(acts_for))

    def bucket(self, name: str) -> FailOpenBucket:
        doors = self

        class Bucket:
            async def take(self, who: str, tokens: int = 1) -> None:
                doors.passed.append(f"{name} limit, {who if name == 'address' else 'key'}: {tokens}")
                doors.charged.append(who)
                if doors._limited == name:
                    raise RateLimited(retry_after_seconds=1)

        return cast(FailOpenBucket, Bucket())

    async def handler(self, call: Call) -> web.Response:
        self.passed.append("handler")
        return web.Response(text=call.request_id)

    def edge(self, request_timeout_seconds: float = 5) -> Edge:
        return Edge(
            api_keys=cast(ApiKeys, self),
            address_limit=self.bucket("address"),
            key_limit=self.bucket("key"),
            request_timeout_seconds=request_timeout_seconds,
            trusted_proxies=parse_networks("10.0.0.0/8"),
        )


async def ask(edge: Edge, route: Route, **headers: str) -> web.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    transport: Any = type(
        "Transport", (), {"get_extra_info": lambda *_: ("10.0.0.1", 1), "is_closing": lambda _: False}
    )()
    request = make_mocked_request("POST", f"/l/{TOKEN}", headers=names, transport=transport)
    return cast(web.Response, await edge.around(route)(request))


def answer(response: web.Response) -> dict[str, Any]:
    assert isinstance(response.body, bytes)
    return cast(dict[str, Any], orjson.loads(response.body))


async def test_the_doors_stand_in_the_order_of_defence() -> None:
    doors = Doors({"links:create"})
    route = Route("POST", "/x", doors.handler, ApiKey("links:create"), tokens=10)
    response = await ask(doors.edge(), route, Authorization="Bearer x", X_Forwarded_For="203.0.113.9")
    assert response.status == 200
    assert doors.passed == ["address limit, 203.0.113.9: 10", "key", "key limit, key: 10", "handler"]


async def test_a_key_that_acts_for_many_apps_has_a_limit_for_each() -> None:
    doors, apps = Doors(set()), [str(uuid4()) for _ in range(2)]
    for app in apps:
        await ask(
            doors.edge(),
            Route("POST", "/x", doors.handler, ApiKey(None)),
            Authorization="x",
            Magiclink_App=app,
        )
    assert doors.charged[1::2] == [f"{doors.caller.key_id}:{app}" for app in apps]


async def test_the_handler_knows_whose_request_it_answers_so_that_services_behind_can_be_told() -> None:
    known: list[str | None] = []

    async def handler(_: Call) -> web.Response:
        known.append(asking_address.get())
        return web.Response()

    route = Route("POST", "/x", handler, Public("a test"))
    await ask(Doors(set()).edge(), route, X_Forwarded_For="198.51.100.7, 203.0.113.9, 10.0.0.2")
    assert known == ["203.0.113.9"]


async def test_a_limited_address_costs_no_look_up() -> None:
    doors = Doors({"links:create"}, limited="address")
    response = await ask(doors.edge(), Route("POST", "/x", doors.handler, ApiKey("links:create")))
    assert (response.status, response.headers["Retry-After"]) == (429, "1")
    assert doors.passed[1:] == []


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [({}, 401, "unauthorized"), ({"Authorization": "Bearer x"}, 403, "forbidden")],
)
async def test_without_key_or_scope_no_handler_is_reached(
    headers: dict[str, str], status: int, code: str
) -> None:
    doors = Doors({"links:verify"})
    response = await ask(doors.edge(), Route("POST", "/x", doors.handler, ApiKey("links:create")), **headers)
    assert (response.status, answer(response)["code"]) == (status, code)
    assert "handler" not in doors.passed


async def test_a_public_route_asks_for_no_key_and_still_has_a_limit() -> None:
    doors = Doors(set())
    assert (await ask(doors.edge(), Route("POST", "/x", doors.handler, Public("a test")))).status == 200
    assert doors.passed == ["address limit, 10.0.0.1: 1", "handler"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("job-7:1.a_b", True), ("a" * 129, False), ("a b", False), ("a\x7f", False), ("", False)],
)
async def test_a_request_id_goes_in_and_out_if_it_may_stand_in_a_log(given: str, kept: bool) -> None:
    doors = Doors(set())
    response = await ask(
        doors.edge(), Route("POST", "/x", doors.handler, Public("a test")), X_Request_Id=given
    )
    assert (response.headers["X-Request-Id"] == given) is kept
    assert response.text == response.headers["X-Request-Id"]


async def test_a_fault_is_logged_whole_and_answered_with_nothing_of_it() -> None:
    async def broken(_: Call) -> web.Response:
        raise KeyError("postgresql://user:password@db")

    with capture_logs() as logs:
        response = await ask(Doors(set()).edge(), Route("POST", "/x", broken, Public("a test")))
    assert response.status == 500
    assert answer(response)["code"] == "internal_error"
    assert "password" not in str(answer(response))
    assert [
        entry
        for entry in logs
        if entry["event"] == "request_failed" and isinstance(entry["exc_info"], KeyError)
    ]


async def test_a_handler_that_takes_too_long_is_answered_503() -> None:
    async def slow(_: Call) -> web.Response:
        await asyncio.sleep(5)
        raise AssertionError("unreachable")

    response = await ask(Doors(set()).edge(0.01), Route("POST", "/x", slow, Public("a test")))
    assert (response.status, answer(response)["code"]) == (503, "unavailable")


async def test_a_route_may_show_its_refusals_in_its_own_way_and_its_headers_are_on_all_of_them() -> None:
    async def consumed(_: Call) -> web.Response:
        raise LinkConsumed

    route = Route(
        "POST", "/l/{token}", consumed, Public("a test"),
        refusal_view=lambda _request, refusal, _id: web.Response(text=refusal.code, status=409),
        headers={"X-Robots-Tag": "noindex"},
    )  # fmt: skip
    response = await ask(Doors(set()).edge(), route)
    assert (response.status, response.text, response.headers["X-Robots-Tag"]) == (
        409,
        "link_consumed",
        "noindex",
    )


async def test_the_log_names_the_route_and_never_the_path() -> None:
    doors = Doors(set())
    with capture_logs() as logs:
        await ask(doors.edge(), Route("POST", "/l/{token}", doors.handler, Public("a test")))
    (line,) = (entry for entry in logs if entry["event"] == "request")
    assert (line["route"], line["status"]) == ("/l/{token}", 200)
    assert TOKEN not in str(logs)


async def test_past_its_capacity_a_service_sends_requests_away_at_once_and_touches_nothing() -> None:
    doors, gate = Doors(set()), asyncio.Event()

    async def wait(_: Call) -> web.Response:
        await gate.wait()
        return web.Response()

    edge = replace(doors.edge(), capacity=Capacity(2))
    route = Route("POST", "/x", wait, Public("a test"))
    taken = [asyncio.create_task(ask(edge, route)) for _ in range(2)]
    await asyncio.sleep(0)
    before = SHED._value.get()
    # The capacity is the service's, not a route's.
    shed = await ask(edge, Route("POST", "/y", doors.handler, Public("a test")))
    assert (shed.status, shed.headers["Retry-After"], answer(shed)["code"]) == (503, "1", "unavailable")
    assert SHED._value.get() == before + 1
    assert doors.passed == ["address limit, 10.0.0.1: 1"] * 2
    gate.set()
    assert [response.status for response in await asyncio.gather(*taken)] == [200, 200]
    assert edge.capacity.taken == 0


async def test_a_request_that_fails_or_takes_too_long_gives_its_place_back() -> None:
    async def fail(_: Call) -> web.Response:
        raise LinkConsumed

    async def hang(_: Call) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    edge = replace(Doors(set()).edge(request_timeout_seconds=0.02), capacity=Capacity(1))
    for handler, status in ((fail, 409), (hang, 503), (fail, 409)):
        response = await ask(edge, Route("POST", "/x", handler, Public("a test")))
        assert response.status == status
    assert edge.capacity.taken == 0
