"""The demo app and its key: made once, kept over starts, its addresses those of this start."""

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from services.dev.private_files import write_private
from services.issuer.api_keys import KeyCreate, create_key
from services.issuer.app_settings import app_settings
from services.issuer.apps import create_app
from shared.api_keys import SCOPES, hash_key

FILE = "demo_app.json"

# The database's owner asks: these rows belong to no caller.
_KEY_IS_GOOD = "SELECT true FROM magiclink.api_keys WHERE hash = $1 AND app_id = $2 AND revoked_at IS NULL"
_MOVE = """
UPDATE magiclink.apps SET base_url = $2, redirect_urls = $3, default_redirect_url = $4, updated_at = now() WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class DemoApp:
    """The app and its key, which has every scope."""

    app_id: str
    api_key: str

    def __repr__(self) -> str:
        return f"<DemoApp {self.app_id}>"


async def ensure_demo_app(database_url: str, secrets_dir: Path, site_url: str) -> DemoApp:
    """Return the demo app whose site is at `site_url`, making it when the database does not have it."""
    connection = await asyncpg.connect(database_url)
    try:
        demo_app = _read(secrets_dir / FILE)
        # The database may be another one than last time, or an empty one.
        if demo_app is None or not await _is_known(connection, demo_app):
            demo_app = await _make(connection, site_url)
            write_private(
                secrets_dir / FILE, json.dumps({"app_id": demo_app.app_id, "api_key": demo_app.api_key})
            )
        # The site's port may be another one today.
        await connection.execute(
            _MOVE, UUID(demo_app.app_id), site_url, _redirect_urls(site_url), _redirect_urls(site_url)[0]
        )
        return demo_app
    finally:
        await connection.close()


def _read(path: Path) -> DemoApp | None:
    if not path.exists():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return DemoApp(kept["app_id"], kept["api_key"])


async def _is_known(connection: "asyncpg.Connection[asyncpg.Record]", demo_app: DemoApp) -> bool:
    found = await connection.fetchval(_KEY_IS_GOOD, hash_key(demo_app.api_key), UUID(demo_app.app_id))
    return found is not None


async def _make(connection: "asyncpg.Connection[asyncpg.Record]", site_url: str) -> DemoApp:
    # Texts end in the inbox and cost nothing: whoever tries things out shall not run into their limits.
    free = {"texts_per_hour": 1_000_000, "texts_per_recipient_per_hour": 10_000}
    settings = app_settings({"name": "Demo", "base_url": site_url, "intake": True, **free}, allow_http=True)
    async with connection.transaction():
        app = await create_app(connection, settings)
        key = await create_key(connection, app["id"], KeyCreate(name="magiclink dev", scopes=list(SCOPES)))
    return DemoApp(str(app["id"]), key["key"])


def _redirect_urls(site_url: str) -> list[str]:
    """People type either name of this machine; the allow-list is exact about both."""
    localhost = site_url.replace("127.0.0.1", "localhost")
    return [f"{site_url}/signed-in", f"{localhost}/signed-in", f"{localhost}/sent"]
