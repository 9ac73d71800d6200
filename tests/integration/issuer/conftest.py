"""An issuer's HTTP side in this process, on a real port, over real PostgreSQL and Redis."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.routes import IssuingParts, TenancyParts, issuer_routes
from services.issuer.store import SQL, IssuerStore
from services.issuer.text_limits import TextLimits
from shared.api_keys import ApiKeys
from shared.cache import Cache
from shared.database import Pool
from shared.http.edge import Edge
from shared.limits import FailOpenBucket
from shared.outbox import OutboxBell
from tests.seeds import PUBLIC_URL, RINGS, SeededApp, Seeds


@pytest.fixture
async def issue(issuer_pool: Pool, cache: Cache) -> AsyncIterator[Issue]:
    bell = OutboxBell(issuer_pool)
    issue = Issue(IssuerStore(issuer_pool, 60), RINGS["issuer"], bell, TextLimits(cache))
    yield issue
    await issue.drain()
    await bell.close()


@dataclass
class RunningIssuer:
    """Where it listens, and a client for one app."""

    url: str
    session: aiohttp.ClientSession
    app: SeededApp

    async def post(
        self, path: str, body: Any, *, key: str | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """Return status, JSON and headers."""
        headers = {**self.app.headers, **headers, **({"Idempotency-Key": key} if key else {})}
        async with self.session.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None), response.headers


@pytest.fixture
async def start_issuer(
    issuer_pool: Pool, cache: Cache, issue: Issue, seeds: Seeds
) -> AsyncIterator[Callable[..., Any]]:
    runners: list[web.AppRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def start(
        *,
        per_minute: int = 100_000,
        with_cache: Cache = cache,
        with_issue: Issue = issue,
        **app_columns: Any,
    ) -> RunningIssuer:
        apps, api_keys = Apps(issuer_pool, SQL, allow_http=True), ApiKeys(issuer_pool)
        issuing = IssuingParts(with_issue, apps, Lanes(with_cache), RINGS["issuer"], PUBLIC_URL, 60)
        bell = OutboxBell(issuer_pool)
        tenancy = TenancyParts(
            issuer_pool, with_cache, bell, RINGS["issuer"], allow_http=True, forget=api_keys.forget
        )
        edge = Edge(
            api_keys=api_keys,
            address_limit=FailOpenBucket(with_cache, "test-address", per_minute),
            key_limit=FailOpenBucket(with_cache, "test-key", per_minute),
            request_timeout_seconds=15,
        )
        runner = web.AppRunner(edge.application(issuer_routes(issuing, tenancy)), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        sessions.append(aiohttp.ClientSession())
        port = runner.addresses[0][1]
        return RunningIssuer(f"http://127.0.0.1:{port}", sessions[-1], await seeds.app(**app_columns))

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def issuer(start_issuer: Callable[..., Any]) -> RunningIssuer:
    running: RunningIssuer = await start_issuer()
    return running
