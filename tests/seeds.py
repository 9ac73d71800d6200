"""Rows for tests, written directly: an app with a key, a link whose token is known."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from shared.api_keys import SCOPES, new_key
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.tokens import LinkRef, make_token, new_link_id

MASTER = new_master()
RINGS = {
    service: KeyRing.parse(derive_ring(MASTER, service), SERVICE_PURPOSES[service])
    for service in SERVICE_PURPOSES
}
RING_TEXTS = {service: derive_ring(MASTER, service) for service in SERVICE_PURPOSES}
BASE_URL = "http://127.0.0.1:8000"
PUBLIC_URL = "http://127.0.0.1:8002"


@dataclass(frozen=True, slots=True)
class SeededApp:
    """An app and a key of it with every scope."""

    id: UUID
    key: str
    key_id: UUID

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True, slots=True)
class SeededLink:
    """A link that can be redeemed."""

    ref: LinkRef
    token: str
    user_id: UUID

    @property
    def id(self) -> UUID:
        return self.ref.link_id


class Seeds:
    """Makes rows through a connection that may do everything."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def app(self, scopes: tuple[str, ...] = tuple(SCOPES), **columns: Any) -> SeededApp:
        """Make an app (base URL `BASE_URL`, intake on) and a key."""
        values = {
            "name": "Example",
            "base_url": BASE_URL,
            "intake": True,
            "interactive_per_minute": 100_000,
            **columns,
        }
        app_id = new_link_id()
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(2, len(values) + 2))
        await self.connection.execute(
            f"INSERT INTO magiclink.apps (id, {names}) VALUES ($1, {places})",
            app_id,
            *values.values(),
        )
        key = new_key()
        await self.connection.execute(
            "INSERT INTO magiclink.api_keys (id, app_id, name, prefix, hash, scopes) VALUES ($1, $2, 'test', $3, $4, $5)",
            key.id,
            app_id,
            key.prefix,
            key.hash,
            list(scopes),
        )
        return SeededApp(app_id, key.text, key.id)

    async def user(self, app: SeededApp, email: str = "ann@example.com") -> UUID:
        """Return the app's user with this address."""
        found = await self.connection.fetchval(
            "SELECT id FROM magiclink.users WHERE app_id = $1 AND email = $2", app.id, email
        )
        if found is not None:
            return UUID(str(found))
        user_id = new_link_id()
        await self.connection.execute(
            "INSERT INTO magiclink.users (id, app_id, email) VALUES ($1, $2, $3)", user_id, app.id, email
        )
        return user_id

    async def link(
        self, app: SeededApp, *, lives_seconds: float = 900, starts_in_seconds: float = 0, **columns: Any
    ) -> SeededLink:
        """Make a link of the app's user."""
        ref = LinkRef(RINGS["verifier"].newest["link"], new_link_id())
        user_id = await self.user(app)
        values: dict[str, Any] = {
            "kid": ref.kid, "app_id": app.id, "user_id": user_id, "type": "login", "channel": "none", "lane": "interactive",
            "redirect_url": f"{BASE_URL}/signed-in", "metadata": "{}", "locale": "en", "ttl_seconds": 900,
            "grant_ttl_seconds": 60, **columns,
        }  # fmt: skip
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(4, len(values) + 4))
        await self.connection.execute(
            f"INSERT INTO magiclink.links (id, created_at, not_before, expires_at, {names})"
            f" VALUES ($1, now(), now() + make_interval(secs => $2), now() + make_interval(secs => $3), {places})",
            ref.link_id,
            float(starts_in_seconds),
            float(lives_seconds),
            *values.values(),
        )
        return SeededLink(ref, make_token(RINGS["verifier"], ref.link_id, ref.kid), user_id)


async def one_row(connection: asyncpg.Connection, sql: str, *args: Any) -> asyncpg.Record:
    """Return the one row of a query that must have one."""
    row = await connection.fetchrow(sql, *args)
    assert row is not None, sql
    return row
