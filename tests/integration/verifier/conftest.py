"""Two verifiers as production wires them, in this process, each on a real port, over real PostgreSQL and Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio

from services.dev.ports import choose_unfixed
from services.dev.postgres import Postgres
from services.dev.redis import RedisServer
from services.verifier.main import start
from services.verifier.settings import VerifierSettings
from services.verifier.signing_keys import generate_signing_keys
from shared.lifecycle import Service
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import PUBLIC_URL, RING_TEXTS, SeededApp, Seeds

SIGNING_KEYS = generate_signing_keys()


def verifier_settings(server: Postgres, redis_url: str, **changes: Any) -> VerifierSettings:
    ports = choose_unfixed(["http", "ops"])
    values: dict[str, Any] = {
        "environment": "dev",
        "http_host": "127.0.0.1",
        "http_port": ports["http"],
        "ops_host": "127.0.0.1",
        "ops_port": ports["ops"],
        "database_url": server.url("verifier", "magiclink"),
        "database_pool_size": 4,
        "redis_url": redis_url,
        # These tests are about what Redis says, not about how fast this machine is.
        "redis_budget_ms": 2_000,
        "rate_per_address": 1_000_000,
        "keys": RING_TEXTS["verifier"],
        "signing_keys": SIGNING_KEYS,
        "public_url": PUBLIC_URL,
        "drain_seconds": 2,
    }
    return VerifierSettings(**{**values, **changes})


@asynccontextmanager
async def running_verifier(settings: VerifierSettings) -> AsyncIterator[RunningVerifier]:
    service = Service("verifier", settings)
    # No cookie jar: a test says itself which browser it is.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            await start(service, settings)
            yield RunningVerifier(f"http://127.0.0.1:{settings.http_port}", session)
        finally:
            assert await service.close() == 0


@pytest.fixture(scope="session")
async def verifier(database_server: Postgres, redis_server: RedisServer) -> AsyncIterator[RunningVerifier]:
    async with running_verifier(verifier_settings(database_server, redis_server.url)) as running:
        yield running


@pytest.fixture(scope="session")
async def second_verifier(
    database_server: Postgres, redis_server: RedisServer
) -> AsyncIterator[RunningVerifier]:
    async with running_verifier(verifier_settings(database_server, redis_server.url)) as running:
        yield running


@pytest.fixture
async def app(seeds: Seeds) -> SeededApp:
    return await seeds.app()


@pytest.fixture
def link_queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement on links that this process sends through a pool from now on, but for visits of a second ago."""
    seen: list[str] = []
    for name in ("fetch", "fetchrow", "fetchval", "execute", "executemany"):
        original = getattr(asyncpg.Pool, name)

        def counted(self: Any, query: str, *args: Any, original: Any = original, **options: Any) -> Any:
            if "magiclink.links" in query and "magiclink.link_visits" not in query:
                seen.append(query)
            return original(self, query, *args, **options)

        monkeypatch.setattr(asyncpg.Pool, name, counted)
    return seen


@pytest.fixture
async def redis_client(redis_server: RedisServer) -> AsyncIterator[redis.asyncio.Redis]:
    """A plain connection to the session's Redis, for looking at what verifiers wrote."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    yield client
    await client.aclose()
