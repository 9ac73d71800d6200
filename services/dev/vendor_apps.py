"""An app a vendor, as `dev.json` hands their SDKs: made once, kept over starts, its addresses those of this start."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.compat.presets import COMPAT_SCOPES, PRESETS, VENDOR_SCOPES, Place
from services.dev.private_files import write_private
from services.issuer.api_keys import KeyCreate, create_key
from services.issuer.app_settings import app_settings
from services.issuer.apps import create_app
from shared.api_keys import hash_key

FILE = "vendor_apps.json"

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
# Texts end in the inbox and cost nothing.
_FREE = {"texts_per_hour": 1_000_000, "texts_per_recipient_per_hour": 10_000}
_PATHS = {"stytch": "authenticate", "workos": "callback", "passage": "login", "fusionauth": "callback"}


@dataclass(frozen=True, slots=True)
class Site:
    """Where the product and compat are today."""

    site_url: str
    compat_url: str

    def place(self, vendor: str) -> Place:
        return Place(self.site_url, (f"{self.site_url}/{_PATHS[vendor]}",), self.compat_url)


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
            await _move(connection, vendor, given[PRESETS[vendor].id_name], site)
        given = {vendor: dict(values) for vendor, values in kept["vendors"].items()}
        given["workos"]["redirect_uri"] = site.place("workos").redirect_urls[0]
        return VendorApps(given, kept["compat_api_key"])
    finally:
        await connection.close()


async def _make(connection: "asyncpg.Connection[asyncpg.Record]", site: Site) -> dict[str, Any]:
    vendors: dict[str, dict[str, str]] = {}
    async with connection.transaction():
        for vendor, preset in PRESETS.items():
            vendor_id = f"project-test-{uuid4()}" if vendor == "stytch" else preset.new_id()
            app_id = await _make_app(connection, vendor, vendor_id, site)
            key = await _make_key(connection, app_id, VENDOR_SCOPES)
            vendors[vendor] = {preset.id_name: vendor_id, preset.key_name: key}
            if vendor == "fusionauth":
                application_id = uuid4()
                await connection.execute(_MAKE_APPLICATION, application_id, app_id)
                vendors[vendor]["application_id"] = str(application_id)
        own = await create_app(connection, app_settings({"name": "Compat"}, allow_http=True))
        return {"vendors": vendors, "compat_api_key": await _make_key(connection, own["id"], COMPAT_SCOPES)}


async def _make_app(
    connection: "asyncpg.Connection[asyncpg.Record]", vendor: str, vendor_id: str, site: Site
) -> UUID:
    preset = PRESETS[vendor].app(vendor, vendor_id, site.place(vendor))
    settings = {"name": f"{vendor.capitalize()} demo", **preset, **_FREE}
    app = await create_app(connection, app_settings(settings, allow_http=True))
    found: UUID = app["id"]
    return found


async def _make_key(
    connection: "asyncpg.Connection[asyncpg.Record]", app_id: UUID, scopes: tuple[str, ...]
) -> str:
    key = await create_key(connection, app_id, KeyCreate(name="magiclink dev", scopes=list(scopes)))
    return str(key["key"])


async def _move(
    connection: "asyncpg.Connection[asyncpg.Record]", vendor: str, vendor_id: str, site: Site
) -> None:
    # Ports may be others today, and with them every address.
    app = PRESETS[vendor].app(vendor, vendor_id, site.place(vendor))
    await connection.execute(
        _MOVE, vendor, app["base_url"], app["redirect_urls"], app["default_redirect_url"], app.get("jwt_issuer"),
        app.get("jwt_audience", []), vendor_id,
    )  # fmt: skip
