"""The app as Passage's clients read it, and the keys that its JWTs are verified with. Both are public."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from services.compat.accounts import VendorApp
from services.compat.passage.callers import Callers, auth_origin, browser_answer
from services.compat.passage.errors import refusal_view
from services.compat.passage.shapes import default_redirect
from services.compat.public_keys import for_every_parser, native_keys, rsa_only
from shared.http.routes import Call, Public, Route, json_response

_JWKS_SECONDS: Final = 300
_JWT_SECONDS: Final = 300  # docs/api.md: how long the native API's JWTs live
_PUBLIC: Final = Public("tells what is public: settings of the login page, public keys")


@dataclass(frozen=True, slots=True)
class AppApi:
    """The handlers, and what they need."""

    callers: Callers

    def routes(self) -> list[Route]:
        app = "/v1/apps/{app_id}"
        return [
            Route("GET", app, self.read, _PUBLIC, refusal_view=refusal_view),
            Route("GET", f"{app}/.well-known/jwks.json", self.jwks, _PUBLIC, refusal_view=refusal_view),
        ]

    async def read(self, call: Call) -> web.Response:
        """Tell the app's settings."""
        account = await self.callers.of_browser(call)
        return browser_answer(
            call, {"app": app_view(account.app, rsa_only(await native_keys(account.native)))}
        )

    async def jwks(self, call: Call) -> web.Response:
        """Tell the public keys of JWTs."""
        account = await self.callers.of_browser(call)
        keys = for_every_parser(rsa_only(await native_keys(account.native)))
        # Public keys are for everybody, whatever page asks.
        headers = {"Cache-Control": f"public, max-age={_JWKS_SECONDS}", "Access-Control-Allow-Origin": "*"}
        return json_response({"keys": keys}, headers=headers)


def app_view(app: VendorApp, rsa_keys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the app with each member that the 2.x SDKs and Node's ask for. `app` of its vendor settings overrides what is told."""
    given: Mapping[str, Any] = app.vendor_settings.get("app") or {}
    return {**_identity(app, rsa_keys), **_sign_in(app), **_LOOKS, **given, "id": app.vendor_id}


def _identity(app: VendorApp, rsa_keys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    origin = auth_origin(app) or ""
    return {
        "additional_auth_origins": [],
        "allowed_callback_urls": [],
        "allowed_logout_urls": [],
        "application_login_uri": "",
        "auth_origin": origin,
        "created_at": app.settings["created_at"],
        "default_language": app.settings["locale"],
        "hosted": False,
        "hosted_subdomain": "",
        "login_url": str(app.vendor_settings.get("login_url") or "/"),
        "name": app.settings["name"],
        "redirect_url": default_redirect(app),
        "role": "",
        "rsa_public_key": _pem(rsa_keys[0]) if rsa_keys else "",
        "technologies": [],
        "type": "complete",
        "user_metadata_schema": [],
    }


def _sign_in(app: VendorApp) -> dict[str, Any]:
    settings, seconds = app.settings, app.settings["ttl_seconds"]
    is_refreshing = app.vendor_settings.get("refresh_enabled") is not False
    return {
        "allowed_identifier": "both",
        "auth_fallback_method": "magic_link",
        "auth_fallback_method_ttl": seconds,
        "auth_methods": {
            "passkeys": {"enabled": False},
            "otp": {"enabled": False, "ttl": max(60, seconds), "ttl_display_unit": "s"},
            "magic_link": {"enabled": True, "ttl": max(60, seconds), "ttl_display_unit": "s"},
        },
        "profile_management": False,
        "public_signup": True,
        "refresh_absolute_lifetime": settings["session_seconds"],
        "refresh_enabled": is_refreshing,
        "refresh_inactivity_lifetime": settings["session_seconds"],
        "require_email_verification": settings["require_verified"],
        "require_identifier_verification": settings["require_verified"],
        "required_identifier": "either",
        "session_timeout_length": _JWT_SECONDS,
    }


_LOOKS: Final[Mapping[str, Any]] = {
    "auto_theme_enabled": False,
    "element_customization": {},
    "element_customization_dark": {},
    "hosted_theme": "auto",
    "layouts": {"profile": [], "registration": []},
    "passage_branding": False,
}


def _pem(jwk: Mapping[str, Any]) -> str:
    """Return a public key as the oldest clients verify with it: PEM (PKCS #1) in base64."""
    key: Any = RSAAlgorithm.from_jwk(dict(jwk))
    return base64.b64encode(key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)).decode()
