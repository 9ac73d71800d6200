"""An app a vendor, as `dev.json` hands their SDKs: made once, kept over starts, its addresses those of this start."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.dev.private_files import write_private
from services.issuer.api_keys import KeyCreate, create_key
from services.issuer.app_settings import app_settings
from services.issuer.apps import create_app
from shared.api_keys import SCOPES, hash_key
from shared.public_ids import ulid
from shared.tokens import ALPHABET, new_link_id

FILE = "vendor_apps.json"
# What a vendor's key may do: everything within its app, nothing over apps.
VENDOR_SCOPES = tuple(scope for scope in SCOPES if not scope.startswith("apps:"))
# What calls without a key come to: redeeming, reading and signing out, never making keys.
COMPAT_SCOPES = (*VENDOR_SCOPES, "apps:act")

# The database's owner asks: these rows belong to no caller.
_KEY_IS_GOOD = "SELECT true FROM magiclink.api_keys WHERE hash = $1 AND revoked_at IS NULL"
_MOVE = """
UPDATE magiclink.apps
SET base_url = $2, redirect_urls = $3, default_redirect_url = $4, jwt_issuer = $5, jwt_audience = $6, updated_at = now()
WHERE vendor = $1 AND vendor_id = $7
"""
_MAKE_APPLICATION = """
INSERT INTO magiclink.applications (id, app_id, name, roles, refresh_tokens) VALUES ($1, $2, 'Demo', '{admin,user}', true)
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the product and compat are today."""

    site_url: str
    compat_url: str


@dataclass(frozen=True, slots=True)
class VendorApps:
    """What each vendor's SDK is given, by vendor, and compat's own key."""

    vendors: Mapping[str, Mapping[str, str]] = field(repr=False)
    compat_api_key: str = field(repr=False)


async def ensure_vendor_apps(database_url: str, secrets_dir: Path, site: Site) -> VendorApps:
    """Return the vendors' apps, making them when the database does not have them."""
    connection = await asyncpg.connect(database_url)
    try:
        path = secrets_dir / FILE
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        if kept is None or not await connection.fetchval(_KEY_IS_GOOD, hash_key(kept["compat_api_key"])):
            kept = await _make(connection, site)
            write_private(path, json.dumps(kept))
        for vendor, given in kept["vendors"].items():
            await _move(connection, vendor, given, site)
        given = {vendor: dict(values) for vendor, values in kept["vendors"].items()}
        given["workos"]["redirect_uri"] = _redirect_urls("workos", site)[0]
        return VendorApps(given, kept["compat_api_key"])
    finally:
        await connection.close()


async def _make(connection: "asyncpg.Connection[asyncpg.Record]", site: Site) -> dict[str, Any]:
    vendors: dict[str, dict[str, str]] = {
        "stytch": {"project_id": f"project-test-{uuid4()}"},
        "workos": {"client_id": f"client_{ulid(new_link_id())}"},
        "passage": {"app_id": "".join(secrets.choice(ALPHABET) for _ in range(24))},
        "fusionauth": {"tenant_id": str(uuid4()), "application_id": str(uuid4())},
    }
    async with connection.transaction():
        for vendor, given in vendors.items():
            app_id = await _make_app(connection, vendor, given, site)
            name = "secret" if vendor == "stytch" else "api_key"
            given[name] = await _make_key(connection, app_id, VENDOR_SCOPES)
            if vendor == "fusionauth":
                await connection.execute(_MAKE_APPLICATION, UUID(given["application_id"]), app_id)
        own = await create_app(connection, app_settings({"name": "Compat"}, allow_http=True))
        return {"vendors": vendors, "compat_api_key": await _make_key(connection, own["id"], COMPAT_SCOPES)}


async def _make_app(
    connection: "asyncpg.Connection[asyncpg.Record]", vendor: str, given: Mapping[str, str], site: Site
) -> UUID:
    settings = {
        "name": f"{vendor.capitalize()} demo",
        "vendor": vendor,
        "vendor_id": vendor_id_of(vendor, given),
        "jwt_algorithm": "RS256",
        "base_url": site.site_url,
        "redirect_urls": _redirect_urls(vendor, site),
        "texts_per_hour": 1_000_000,
        "texts_per_recipient_per_hour": 10_000,
        **_SETTINGS[vendor],
    }
    app = await create_app(connection, app_settings(settings, allow_http=True))
    found: UUID = app["id"]
    return found


async def _make_key(
    connection: "asyncpg.Connection[asyncpg.Record]", app_id: UUID, scopes: tuple[str, ...]
) -> str:
    key = await create_key(connection, app_id, KeyCreate(name="magiclink dev", scopes=list(scopes)))
    return str(key["key"])


async def _move(
    connection: "asyncpg.Connection[asyncpg.Record]", vendor: str, given: Mapping[str, str], site: Site
) -> None:
    # Ports may be others today, and with them every address.
    urls, vendor_id = _redirect_urls(vendor, site), vendor_id_of(vendor, given)
    issuers = {"stytch": f"stytch.com/{vendor_id}", "fusionauth": site.compat_url}
    audiences = {"stytch": [vendor_id], "workos": [vendor_id], "passage": [vendor_id, site.site_url]}
    issuer, audience = issuers.get(vendor), audiences.get(vendor, [])
    base_url = None if vendor == "workos" else site.site_url
    await connection.execute(_MOVE, vendor, base_url, urls, urls[0], issuer, audience, vendor_id)


def vendor_id_of(vendor: str, given: Mapping[str, str]) -> str:
    """Return by what a vendor knows the app: its project, client, app or tenant."""
    names = {"stytch": "project_id", "workos": "client_id", "passage": "app_id", "fusionauth": "tenant_id"}
    return given[names[vendor]]


# Lives and forms as the vendors have them (their documents).
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "stytch": {"user_id_format": "user-test-{uuid}", "ttl_seconds": 3600, "max_ttl_seconds": 604_800},
    "workos": {
        "user_id_format": "user_{ulid}",
        "redirects_exact": True,
        "base_url": None,
        "ttl_seconds": 900,
        "grant_ttl_seconds": 600,
    },
    "passage": {"user_id_format": "{base62}", "ttl_seconds": 3600, "max_ttl_seconds": 604_800},
    "fusionauth": {
        "ttl_seconds": 180,
        "max_ttl_seconds": 86_400,
        "passcode_strategy": "bytes",
        "passcode_length": 32,
        "passcode_standalone": True,
        "latest_only": ["login"],
    },
}


def _redirect_urls(vendor: str, site: Site) -> list[str]:
    paths = {"stytch": "authenticate", "workos": "callback", "passage": "login", "fusionauth": "callback"}
    own = [f"{site.compat_url}/oauth2/passwordless/*"] if vendor == "fusionauth" else []
    return [f"{site.site_url}/{paths[vendor]}", *own]
