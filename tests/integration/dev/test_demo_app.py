"""The demo app: made once, kept over starts, its addresses those of today."""

from pathlib import Path

import asyncpg
import pytest

from services.dev.backends import migrate
from services.dev.demo_app import ensure_demo_app
from services.dev.postgres import Postgres
from services.dev.roles import make_database, owner_url
from shared.api_keys import hash_key

SITE = "http://127.0.0.1:8000"


@pytest.fixture
async def database_url(own_postgres: Postgres) -> str:
    await make_database(own_postgres)
    await migrate(owner_url(own_postgres))
    return owner_url(own_postgres)


async def test_a_second_start_keeps_app_and_key_and_follows_the_sites_port(
    database_url: str, tmp_path: Path
) -> None:
    first = await ensure_demo_app(database_url, tmp_path, SITE)
    second = await ensure_demo_app(database_url, tmp_path, "http://127.0.0.1:8009")
    assert second == first
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT id, base_url, redirect_urls, intake FROM magiclink.apps")
    await connection.close()
    assert [str(row["id"]) for row in rows] == [first.app_id]
    assert rows[0]["base_url"] == "http://127.0.0.1:8009"
    assert rows[0]["redirect_urls"] == [
        "http://127.0.0.1:8009/signed-in",
        "http://localhost:8009/signed-in",
        "http://localhost:8009/sent",
    ]
    assert rows[0]["intake"]


async def test_a_revoked_key_or_an_empty_database_gets_a_new_app(database_url: str, tmp_path: Path) -> None:
    first = await ensure_demo_app(database_url, tmp_path, SITE)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE magiclink.api_keys SET revoked_at = now() WHERE hash = $1", hash_key(first.api_key)
    )
    await connection.close()
    second = await ensure_demo_app(database_url, tmp_path, SITE)
    assert second.api_key != first.api_key


async def test_the_key_is_kept_for_its_owner_alone_and_never_shown(database_url: str, tmp_path: Path) -> None:
    demo_app = await ensure_demo_app(database_url, tmp_path, SITE)
    assert demo_app.api_key not in repr(demo_app)
    assert (tmp_path / "demo_app.json").stat().st_mode & 0o777 == 0o600
