"""Who calls: a server with its API key, or a browser that names the app in the path and nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.compat.accounts import Account, Accounts, VendorApp
from services.compat.headers import bearer
from services.compat.passage.errors import CORS, app_not_found, refusal_view
from shared.errors import Unauthorized
from shared.http.routes import Call, Public, Route, json_response
from shared.redirects import RedirectRefused, check_url, origin

VENDOR = "passage"
_APP = "/v1/apps/{app_id}"
_BROWSER_PATHS = (_APP, f"{_APP}/magic-link/activate", f"{_APP}/magic-link/status", f"{_APP}/tokens")
_METHODS = "GET, POST, PATCH, DELETE"
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(, ?[A-Za-z0-9-]+){0,30}")
_PREFLIGHT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Callers:
    """Finds the account of a call."""

    accounts: Accounts

    def routes(self) -> list[Route]:
        """Return the preflights of what browsers call."""
        public = Public("tells browsers which pages may call; changes nothing")
        return [
            Route("OPTIONS", path, self.preflight, public, refusal_view=refusal_view)
            for path in _BROWSER_PATHS
        ]

    async def of_key(self, call: Call) -> Account:
        """Return the account of the API key. Raises `Unauthorized` for a key that is not of the app in the path."""
        account = await self.accounts.of_key(VENDOR, bearer(call) or "")
        if account.app.vendor_id != call.request.match_info["app_id"]:
            raise Unauthorized
        return account

    async def of_browser(self, call: Call) -> Account:
        """Return the account of the app in the path; from here on the answer carries CORS headers for the app's own pages."""
        account = await self._app(call.request.match_info["app_id"])
        call.request[CORS] = cors_headers(account.app, call.request.headers.get("Origin"))
        return account

    async def _app(self, app_id: str) -> Account:
        account = await self.accounts.of_vendor_id(VENDOR, app_id)
        if account is None:
            raise app_not_found()
        return account

    async def preflight(self, call: Call) -> web.Response:
        """Tell a browser what the app's own pages may send (Fetch, CORS-preflight)."""
        await self.of_browser(call)
        headers = _cors(call)
        wanted = call.request.headers.get("Access-Control-Request-Headers", "")
        if "Access-Control-Allow-Origin" in headers:
            headers |= {
                "Access-Control-Allow-Methods": _METHODS,
                "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            }
            if _HEADER_NAMES.fullmatch(wanted):
                headers["Access-Control-Allow-Headers"] = wanted
        return web.Response(status=204, headers=headers)


def browser_answer(call: Call, value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer a browser: JSON with the CORS headers that `Callers.of_browser` found."""
    return json_response(value, headers={**(headers or {}), **_cors(call)})


def _cors(call: Call) -> dict[str, str]:
    found: dict[str, str] = call.request[CORS]
    return found


def cors_headers(app: VendorApp, asked: str | None) -> dict[str, str]:
    """Return the CORS headers for a page of this origin. No credentials: tokens travel in bodies, never in cookies."""
    allowed = {"Access-Control-Allow-Origin": asked} if asked and asked in origins_of(app) else {}
    return {"Vary": "Origin", **allowed}


def origins_of(app: VendorApp) -> frozenset[str]:
    """Return the origins of the app's own pages: of its auth origin, its base URL and its redirects."""
    urls = [auth_origin(app), app.settings.get("base_url"), *app.settings.get("redirect_urls", ())]
    return frozenset(found for url in urls if url and (found := _origin(str(url))))


def auth_origin(app: VendorApp) -> str | None:
    """Return where the app's login page is, without the final slash: `auth_origin` of its vendor settings, else its base URL."""
    url = app.vendor_settings.get("auth_origin") or app.settings.get("base_url")
    return None if url is None else str(url).rstrip("/")


def _origin(url: str) -> str | None:
    # Vendor settings are free text: what is no URL allows nothing.
    try:
        check_url(url, allow_http=True)
    except RedirectRefused:
        return None
    return origin(url)
