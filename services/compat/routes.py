"""Compat's table of routes: every vendor's, on one origin. Their paths do not collide, and two SDKs drop path prefixes."""

from importlib import import_module

from services.compat.parts import CompatParts
from shared.http.routes import Route

VENDORS = ("stytch", "workos", "passage", "fusionauth")


def compat_routes(parts: CompatParts) -> list[Route]:
    """Return the routes of all vendors; each stands in the folder of its name."""
    routes: list[Route] = []
    for vendor in VENDORS:
        module = import_module(f"services.compat.{vendor}.routes")
        routes += getattr(module, f"{vendor}_routes")(parts)
    return routes
