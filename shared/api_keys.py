"""API keys: `mlk_<id>_<secret>`, 256 random bits, shown once, kept as a SHA-256."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from shared.database import Pool, Row
from shared.errors import Forbidden, Unauthorized
from shared.fresh import FreshCache
from shared.http.routes import Caller, KeyLimits
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

SQL = SqlBlocks(Path(__file__).parent / "sql" / "api_keys.sql")
CHANGED_CHANNEL = "ml:apps-changed"
SCOPES: Mapping[str, str] = {
    "links:create": "make, read, send and revoke links",
    "links:reveal": "see url, token and passcode of a new link",
    "links:verify": "redeem links and exchange grants",
    "users:read": "read users",
    "users:write": "create, change and delete users",
    "apps:read": "read the own app and its keys",
    "apps:write": "change the own app, make and revoke its keys",
    "apps:admin": "make apps, and read and change every app",
    "messages:read": "read messages and their attempts",
    "sessions:read": "read sessions and what a JWT says",
    "sessions:write": "open, refresh and revoke sessions; second factors",
    "apps:act": "act for every app that answers as a vendor's (services/compat)",
}

_FORMAT = re.compile(r"mlk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")
_CACHE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key at the only moment it is known."""

    id: UUID
    prefix: str
    text: str
    hash: bytes


def new_key() -> NewKey:
    """Make a key. The prefix is visible, so that a leaked key is recognized and found."""
    key_id = new_link_id()
    prefix = f"mlk_{secrets.token_hex(6)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(key_id, prefix, text, hash_key(text))


def hash_key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class ApiKeys:
    """Checks API keys; what it learned is a few seconds old at most, or until `forget`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._callers: FreshCache[bytes, Caller | None] = FreshCache(self._load, ttl_seconds=_CACHE_SECONDS)
        self._vendor_apps: FreshCache[UUID, bool] = FreshCache(self._load_app, ttl_seconds=_CACHE_SECONDS)

    async def check(self, authorization: str | None, acts_for: str | None = None) -> Caller:
        """Return whose key the `Authorization` header carries. Raises `Unauthorized`.

        `acts_for`: the header `Magiclink-App`, by which a key with `apps:act` names the app that it acts for.
        Raises `Forbidden` unless that app answers as a vendor's: no other app has anything to do with such a key.
        """
        scheme, _, text = (authorization or "").partition(" ")
        text = text.strip()
        # What has not the shape of a key costs no look-up.
        if scheme.lower() != "bearer" or not _FORMAT.fullmatch(text):
            raise Unauthorized("send `Authorization: Bearer <api key>`")
        # Looked up by hash: the comparison runs over a value an attacker cannot steer byte by byte.
        caller = await self._callers.get(hash_key(text))
        if caller is None:
            raise Unauthorized
        return caller if acts_for is None else await self._acting(caller, acts_for)

    def forget(self) -> None:
        self._callers.clear()
        self._vendor_apps.clear()

    async def _acting(self, caller: Caller, acts_for: str) -> Caller:
        caller.require("apps:act")
        try:
            app_id = UUID(acts_for)
        except ValueError:
            raise Forbidden("Magiclink-App must be an app's id") from None
        if not await self._vendor_apps.get(app_id):
            raise Forbidden("Magiclink-App names no app that answers as a vendor's")
        # Never what administers apps or makes keys: acting is for what an app's own users do.
        scopes = frozenset(scope for scope in caller.scopes if not scope.startswith("apps:"))
        return replace(caller, app_id=app_id, scopes=scopes)

    async def _load_app(self, app_id: UUID) -> bool:
        return await self._pool.fetchval(SQL.is_vendor_app, app_id) is not None

    async def _load(self, key_hash: bytes) -> Caller | None:
        row = await self._pool.fetchrow(SQL.find_key, key_hash)
        return Caller(row["id"], row["app_id"], frozenset(row["scopes"]), _limits(row)) if row else None


def _limits(row: Row) -> KeyLimits:
    def one_of(column: str) -> frozenset[str] | None:
        return None if row[column] is None else frozenset(row[column])

    redirect_urls = row["redirect_urls"]
    return KeyLimits(
        types=one_of("types"),
        redirect_urls=None if redirect_urls is None else tuple(redirect_urls),
        max_ttl_seconds=row["max_ttl_seconds"],
        recipient_domains=one_of("recipient_domains"),
    )
