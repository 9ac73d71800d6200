"""The client's methods for users, applications, registrations, connections and keys, against a stand-in."""

from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.client import Application, Connection, FoundUsers, MagicLinkClient, Registration, User

NOW = "2026-01-02T03:04:05Z"
USER = {"id": "u1", "public_id": "user_1", "email": "ann@shop.example", "status": "suspended", "suspended_until": NOW, "roles": ["a"],
        "created_at": NOW, "a_field_of_next_year": 1}  # fmt: skip
APPLICATION = {"id": "a1", "name": "Web", "roles": [], "active": True, "created_at": NOW}
REGISTRATION = {"id": "r1", "user_id": "u1", "application_id": "a1", "verified": False, "last_login_at": None}
CONNECTION = {"id": "c1", "type": "magic_link", "domain": "shop.example", "organization_id": None}
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Method = Callable[[MagicLinkClient], Coroutine[Any, Any, Any]]


class StandIn:
    """Gives one answer, and keeps what was asked."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.asked: tuple[str, str, Any] = ("", "", None)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked = (request.method, request.path_qs, body)
        return web.Response(status=204) if self.answer is None else web.json_response(self.answer)


@pytest.fixture
async def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def client(stand_in: StandIn) -> AsyncIterator[MagicLinkClient]:
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", stand_in.handle)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        async with MagicLinkClient(url, url, "mlk_test") as made:
            yield made


CALLS: list[tuple[Method, tuple[str, str, Any], Any]] = [
    (lambda c: c.create_user(username="ann", imported_id="x"), ("POST", "/v1/users", {"username": "ann", "imported_id": "x"}), USER),
    (lambda c: c.update_user("u1", suspended_until=TIME), ("PATCH", "/v1/users/u1", {"suspended_until": TIME.isoformat()}), USER),
    (lambda c: c.create_application("Web", roles=["a"]), ("POST", "/v1/applications", {"name": "Web", "roles": ["a"]}), APPLICATION),
    (lambda c: c.get_application("a1"), ("GET", "/v1/applications/a1", None), APPLICATION),
    (lambda c: c.update_application("a1", active=False), ("PATCH", "/v1/applications/a1", {"active": False}), APPLICATION),
    (lambda c: c.delete_application("a1"), ("DELETE", "/v1/applications/a1", None), None),
    (lambda c: c.register("u1", "a1", verified=False),
     ("POST", "/v1/users/u1/registrations", {"application_id": "a1", "verified": False}), REGISTRATION),
    (lambda c: c.get_registration("u1", "a1"), ("GET", "/v1/users/u1/registrations/a1", None), REGISTRATION),
    (lambda c: c.update_registration("u1", "a/1", roles=[]), ("PATCH", "/v1/users/u1/registrations/a%2F1", {"roles": []}), REGISTRATION),
    (lambda c: c.delete_registration("u1", "a1"), ("DELETE", "/v1/users/u1/registrations/a1", None), None),
    (lambda c: c.ensure_connection("shop.example"), ("POST", "/v1/connections", {"domain": "shop.example"}), CONNECTION),
    (lambda c: c.get_connection("c1"), ("GET", "/v1/connections/c1", None), CONNECTION),
    (lambda c: c.get_own_key(), ("GET", "/v1/keys/self", None), {"id": "k1"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "asked", "answer"), CALLS)
async def test_a_method_asks_its_route_and_gives_the_answer(
    client: MagicLinkClient, stand_in: StandIn, method: Method, asked: tuple[str, str, Any], answer: Any
) -> None:
    stand_in.answer = answer
    found = await method(client)
    assert stand_in.asked == asked
    assert answer is None or answer["id"] == (found["id"] if isinstance(found, dict) else found.id)


LISTS: list[tuple[Method, str, Any, type]] = [
    (lambda c: c.find_users(imported_id="auth0|1"), "/v1/users?imported_id=auth0%7C1", USER, User),
    (lambda c: c.find_applications(limit=1), "/v1/applications?limit=1", APPLICATION, Application),
    (lambda c: c.find_connections(domain="a.example"), "/v1/connections?domain=a.example", CONNECTION, Connection),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "item", "shape"), LISTS)
async def test_a_list_comes_as_shapes_and_a_cursor(
    client: MagicLinkClient, stand_in: StandIn, method: Method, path: str, item: Any, shape: type
) -> None:
    stand_in.answer = {"items": [item, item], "next_cursor": "n"}
    found, cursor = await method(client)
    assert stand_in.asked == ("GET", path, None)
    assert ([type(each) for each in found], cursor) == ([shape, shape], "n")


async def test_a_search_tells_how_many_there_are(client: MagicLinkClient, stand_in: StandIn) -> None:
    stand_in.answer = {"items": [USER], "next_cursor": None, "total": 1}
    filters = [{"field": "status", "values": ["suspended"]}]
    found = await client.search_users(filters, operator="OR", limit=5)
    assert stand_in.asked == (
        "POST", "/v1/users/search", {"filters": filters, "operator": "OR", "limit": 5},
    )  # fmt: skip
    assert isinstance(found, FoundUsers)
    assert (found.total, found.users[0].suspended_until, found.users[0].public_id) == (1, TIME, "user_1")


async def test_the_registrations_of_a_user_come_at_once(client: MagicLinkClient, stand_in: StandIn) -> None:
    stand_in.answer = {"items": [REGISTRATION]}
    assert [type(found) for found in await client.get_registrations("u1")] == [Registration]
