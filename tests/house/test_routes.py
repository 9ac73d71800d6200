"""Rule 5: every route has an authentication, a limit and a test."""

import ast
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import pytest

from shared.api_keys import SCOPES
from shared.http.routes import BATCH_BODY_BYTES, ApiKey, Delegated, Public, Route
from tests.house.references import key_of
from tests.house.route_tables import TABLES, all_routes, vendor_routes
from tests.house.tree import Module, identifier, modules, parse, services

NATIVE = [route for _, route in all_routes()]
ROUTES = [*NATIVE, *vendor_routes()]
# What a key is told about itself needs no scope.
ANY_KEY = {"/v1/keys/self"}


def missing_parts(route: Route) -> list[str]:
    """Return what a route lacks."""
    missing = []
    match route.auth:
        case ApiKey(None) if route.path not in ANY_KEY:
            missing.append("asks for no scope")
        case ApiKey(str(scope)) if scope not in SCOPES:
            missing.append(f"scope {scope} is not known")
        case Public(why) | Delegated(why) if len(why) < 10:
            missing.append("does not say what stands in the place of a key")
        case ApiKey() | Public() | Delegated():
            pass
        case _:
            missing.append("has no authentication")
    if route.tokens < 1:
        missing.append("takes nothing from the limits")
    if not 0 < route.max_body_bytes <= BATCH_BODY_BYTES:
        missing.append("has no limit of its body")
    if not isinstance(route.auth, ApiKey) and route.max_body_bytes > 64 * 1024:
        missing.append("takes a large body from anybody")
    return missing


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_has_an_authentication_and_a_limit(route: Route) -> None:
    assert missing_parts(route) == []


@pytest.mark.parametrize(
    "change",
    [{"auth": None}, {"auth": ApiKey("links:everything")}, {"auth": ApiKey(None)}, {"auth": Public("")}, {"tokens": 0}, {"max_body_bytes": 0},
     {"auth": Public("a good reason"), "max_body_bytes": BATCH_BODY_BYTES}],
)  # fmt: skip
def test_a_planted_gap_is_found(change: dict[str, object]) -> None:
    assert missing_parts(replace(ROUTES[0], **change))  # type: ignore[arg-type]


def test_every_service_is_in_the_tables() -> None:
    assert services() == sorted([*TABLES, "compat"])


def test_no_route_stands_twice() -> None:
    for service in TABLES:
        counts = Counter((route.method, route.path) for name, route in all_routes() if name == service)
        assert max(counts.values()) == 1
    # All vendors share one origin.
    assert max(Counter((route.method, route.path) for route in vendor_routes()).values()) == 1


def route_makers(checked: Iterable[Module]) -> set[str]:
    """Return the modules that make routes."""
    return {
        module.name
        for module in checked
        if not module.path.startswith("shared/http/")
        for node in module.walk()
        if isinstance(node, ast.Call) and identifier(node.func) == "Route"
    }


def test_every_route_that_is_made_is_in_the_tables() -> None:
    served = {key_of(route.handler).partition(":")[0] for route in NATIVE}
    native = [module for module in modules() if not module.path.startswith("services/compat/")]
    # The document of the routes is itself one of them.
    assert route_makers(native) == served - {"shared.http.openapi"}


def side_doors(checked: Iterable[Module]) -> list[str]:
    """Return where a handler is hung into an application past the edge."""
    return [
        module.at(node, "serves a handler past the edge")
        for module in checked
        # The operations port is for the inside; the inbox is for the developer alone.
        if not module.path.startswith(("shared/http/", "services/dev/"))
        for node in module.walk()
        if isinstance(node, ast.Attribute)
        and node.attr
        in {
            "add_route",
            "add_routes",
            "add_get",
            "add_post",
            "add_put",
            "add_delete",
            "add_static",
            "add_view",
            "add_subapp",
        }
    ]


def test_no_handler_is_served_past_the_edge() -> None:
    assert side_doors(modules()) == []


def test_a_planted_side_door_is_found() -> None:
    assert side_doors([parse("services/issuer/planted.py", "app.router.add_get('/debug', debug)")])


# A test names a path --------------------------------------------------------------------------------------------------


@cache
def texts_of_tests() -> frozenset[str]:
    """Return every text in the tests, with `{}` where an f-string puts a value; a route's own table is no test."""
    texts = set()
    for module in modules("tests"):
        if not module.path.startswith("tests/house/"):
            texts |= {text for node in module.walk() if (text := _text(node))}
    return frozenset(texts)


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or "{}" for value in values)
        case _:
            return ""


def is_named(path: str, texts: Iterable[str]) -> bool:
    pattern = re.compile(re.sub(r"\\\{[a-z_]+\\\}", r"[^/?\\s]+", re.escape(path)) + r"(\?.*)?$")
    return any(pattern.search(text) for text in texts)


@pytest.mark.parametrize("path", sorted({route.path for route in NATIVE}))
def test_every_route_has_a_test_that_names_its_path(path: str) -> None:
    assert is_named(path, texts_of_tests())


def test_a_planted_route_without_a_test_is_found() -> None:
    assert not is_named("/v1/nobody/{id}/asks", texts_of_tests())
    assert not is_named("/v1/links/{id}/send", ["/v1/links/{}/revoke", "/v1/links", "/v1/links/x/sender"])
    assert is_named("/v1/links/{id}/send", ["{}/v1/links/{}/send?x=1"])
