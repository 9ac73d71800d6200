"""Compat's table of routes: every vendor's, on one origin. Their paths do not collide, and two SDKs drop path prefixes."""

from importlib import import_module

from aiohttp import web

from services.compat.parts import CompatParts
from shared.errors import Refusal
from shared.http.routes import RefusalView, Route

VENDORS = ("stytch", "workos", "passage", "fusionauth")
# Whose paths are whose (VENDORS §0.1): the first that fits. All others are FusionAuth's, which answers them with nothing but the status.
_SPACES = (
    ("/v1/apps/", "passage"),
    ("/v1/", "stytch"),
    ("/passwordless/", "workos"),
    ("/sso/", "workos"),
    ("/user_management/", "workos"),
    ("/connections", "workos"),
    ("/webhooks/workos/", "workos"),
    ("/", "fusionauth"),
)


def compat_routes(parts: CompatParts) -> list[Route]:
    """Return the routes of all vendors; each stands in the folder of its name."""
    routes: list[Route] = []
    for vendor in VENDORS:
        module = import_module(f"services.compat.{vendor}.routes")
        routes += getattr(module, f"{vendor}_routes")(parts)
    return routes


def unmatched_view(request: web.Request, refusal: Refusal, request_id: str) -> web.StreamResponse:
    """Answer what no route takes in the words of the vendor whose path it could be: its SDK reads no others."""
    vendor = next((vendor for start, vendor in _SPACES if request.path.startswith(start)), "fusionauth")
    view: RefusalView = import_module(f"services.compat.{vendor}.errors").refusal_view
    return view(request, refusal, request_id)
