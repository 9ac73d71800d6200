"""Passage's paths: who may call them, and in whose words they refuse."""

from types import SimpleNamespace
from typing import Any

from services.compat.passage.errors import refusal_view, users_refusal_view
from services.compat.passage.routes import passage_routes
from shared.http.routes import Delegated, Public

KEYED = {
    ("POST", "/v1/apps/{app_id}/magic-links"),
    ("POST", "/v1/apps/{app_id}/users"),
    ("GET", "/v1/apps/{app_id}/users"),
    ("GET", "/v1/apps/{app_id}/users/{user_id}"),
    ("PATCH", "/v1/apps/{app_id}/users/{user_id}"),
    ("DELETE", "/v1/apps/{app_id}/users/{user_id}"),
    ("PATCH", "/v1/apps/{app_id}/users/{user_id}/activate"),
    ("PATCH", "/v1/apps/{app_id}/users/{user_id}/deactivate"),
    ("GET", "/v1/apps/{app_id}/users/{user_id}/devices"),
    ("DELETE", "/v1/apps/{app_id}/users/{user_id}/devices/{device_id}"),
    ("DELETE", "/v1/apps/{app_id}/users/{user_id}/tokens"),
}
KEYLESS = {
    ("PATCH", "/v1/apps/{app_id}/magic-link/activate"),
    ("POST", "/v1/apps/{app_id}/magic-link/status"),
    ("POST", "/v1/apps/{app_id}/tokens"),
    ("DELETE", "/v1/apps/{app_id}/tokens"),
    ("GET", "/v1/apps/{app_id}"),
    ("GET", "/v1/apps/{app_id}/.well-known/jwks.json"),
    ("OPTIONS", "/v1/apps/{app_id}"),
    ("OPTIONS", "/v1/apps/{app_id}/magic-link/activate"),
    ("OPTIONS", "/v1/apps/{app_id}/magic-link/status"),
    ("OPTIONS", "/v1/apps/{app_id}/tokens"),
}


def test_the_management_calls_need_a_key_and_the_browsers_calls_none() -> None:
    parts: Any = SimpleNamespace(accounts=None, attempts=None)
    routes = passage_routes(parts)
    assert {(r.method, r.path) for r in routes if isinstance(r.auth, Delegated)} == KEYED
    assert {(r.method, r.path) for r in routes if isinstance(r.auth, Public)} == KEYLESS
    assert len(routes) == len(KEYED) + len(KEYLESS)


def test_every_route_refuses_in_the_vendors_words() -> None:
    parts: Any = SimpleNamespace(accounts=None, attempts=None)
    for route in passage_routes(parts):
        assert route.refusal_view in (refusal_view, users_refusal_view)
        # 403 is in the lists of these two calls only (VENDORS §3.2).
        knows_403 = route.path.endswith(("/magic-links", "/tokens")) or isinstance(route.auth, Public)
        assert (route.refusal_view is refusal_view) is knows_403
