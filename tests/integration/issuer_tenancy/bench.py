"""What the tests of the issuer's CRUD stand on: the service's routes in this process, callers with keys, and seeded links."""

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp.test_utils import TestServer

from services.issuer.api_keys import KeyCreate, create_key
from services.issuer.app_settings import app_settings
from services.issuer.apps import create_app
from services.issuer.routes import TenancyParts, tenancy_routes
from shared.api_keys import SCOPES, ApiKeys
from shared.cache import Cache
from shared.database import Pool
from shared.http.edge import Edge
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.limits import FailOpenBucket
from shared.outbox import OutboxBell
from shared.tokens import new_link_id

RING = KeyRing.parse(derive_ring(new_master(), "issuer"), SERVICE_PURPOSES["issuer"])

_SEED_LINK = """
INSERT INTO magiclink.links (id, kid, app_id, user_id, type, channel, lane, redirect_url, state, metadata, locale, ttl_seconds,
    grant_ttl_seconds, created_at, not_before, expires_at, consumed_at, consumed_by, consumed_via)
VALUES ($1, '1', $2, $3, 'login', 'email', 'interactive', 'https://shop.example/in', '{"b": 1, "a": 2}', '{"k": "v"}', 'en', 900,
    60, now(), now(), now() + $4::interval, now() - $5::interval, CASE WHEN $5::interval IS NOT NULL THEN $1::uuid END, 'browser')
"""
_SEED_MESSAGE = """
INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status, lease_until, created_at)
VALUES ($1, $2, $3, $4, 'email', $5, 'en', 'interactive', $6, now() + interval '1 minute', now())
"""


@dataclass(slots=True)
class Replica:
    """One issuer replica: its routes on a real port, over its own pool."""

    pool: Pool
    cache: Cache
    bell: OutboxBell
    api_keys: ApiKeys
    server: TestServer

    async def close(self) -> None:
        await self.server.close()
        await self.bell.close()


async def start_replica(pool: Pool, cache: Cache, *, allow_http: bool = False) -> Replica:
    """Serve the routes as `main` wires them."""
    bell, api_keys = OutboxBell(pool), ApiKeys(pool)
    routes = tenancy_routes(TenancyParts(pool, cache, bell, RING, allow_http, api_keys.forget))
    plenty = 1_000_000
    edge = Edge(
        api_keys, FailOpenBucket(cache, "address", plenty), FailOpenBucket(cache, "key", plenty), 15.0
    )
    server = TestServer(edge.application(routes))
    await server.start_server()
    return Replica(pool, cache, bell, api_keys, server)


@dataclass(slots=True)
class Answer:
    """An answer with its parsed body."""

    status: int
    headers: Any
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["code"])

    @property
    def rules(self) -> dict[str, str]:
        """Field problems: the rule by field."""
        return {problem["field"]: problem["rule"] for problem in self.body["errors"]}


@dataclass(slots=True)
class Caller:
    """A product service with an app and a key of its own."""

    http: aiohttp.ClientSession
    replica: Replica
    owner: Pool
    app_id: str
    key: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; a keyword `idempotency_key` becomes the header."""
        sent = {"Authorization": f"Bearer {self.key}"}
        sent |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        url = self.replica.server.make_url("/") / path.partition("?")[0].lstrip("/")
        query = path.partition("?")[2]
        async with self.http.request(
            method, f"{url}?{query}" if query else url, json=body, headers=sent
        ) as response:
            text = await response.read()
            return Answer(
                response.status, response.headers, await response.json(content_type=None) if text else None
            )

    async def seed_link(
        self, *, user_id: Any = None, expires_in: str = "15 minutes", consumed_ago: str | None = None
    ) -> UUID:
        """Write a link as the issuer would; intervals in PostgreSQL's words."""
        link_id = new_link_id()
        await self.owner.execute(
            _SEED_LINK.replace("$4::interval", f"interval '{expires_in}'").replace(
                "$5::interval", f"interval '{consumed_ago}'" if consumed_ago else "NULL::interval"
            ),
            link_id,
            UUID(self.app_id),
            UUID(str(user_id)) if user_id else new_link_id(),
        )
        return link_id

    async def seed_message(
        self, link_id: UUID, status: str = "queued", recipient: str = "ann@shop.example"
    ) -> UUID:
        message_id = new_link_id()
        await self.owner.execute(
            _SEED_MESSAGE, message_id, link_id, UUID(self.app_id), new_link_id(), recipient, status
        )
        return message_id

    async def link_row(self, link_id: UUID) -> Any:
        return await self.owner.fetchrow("SELECT * FROM magiclink.links WHERE id = $1", link_id)

    async def events_of(self, link_id: UUID) -> list[Any]:
        rows = await self.owner.fetch(
            "SELECT convert_from(value, 'UTF8')::jsonb AS event, key, topic, headers FROM magiclink.outbox "
            "WHERE convert_from(value, 'UTF8')::jsonb ->> 'subject' = $1",
            str(link_id),
        )
        return list(rows)


async def new_caller(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool, scopes: list[str] | None = None
) -> Caller:
    """Make an app with a key: of every scope but apps:admin, or of these."""
    granted = [scope for scope in SCOPES if scope != "apps:admin"] if scopes is None else scopes
    settings = app_settings(
        {"name": f"Shop {secrets.token_hex(3)}", "redirect_urls": ["https://shop.example/*"]},
        allow_http=False,
    )
    async with owner.acquire() as connection:
        app = await create_app(connection, settings)
        key = await create_key(connection, app["id"], KeyCreate(name="tests", scopes=granted))
    return Caller(http, replica, owner, str(app["id"]), key["key"])
