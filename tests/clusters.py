"""Whole clusters for end-to-end and fault tests, and what a product service does with one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp
import asyncpg

from services.dev.cluster import Cluster
from services.dev.demo_app import ensure_demo_app
from services.dev.plan import Plan
from shared.api_keys import SCOPES

REDIRECT = "/signed-in"


@dataclass
class House:
    """A running cluster, its demo app's key, and a client."""

    cluster: Cluster
    app_id: str
    api_key: str
    session: aiohttp.ClientSession

    @property
    def issuer_url(self) -> str:
        return self.cluster.issuer_urls[0]

    @property
    def verifier_url(self) -> str:
        return self.cluster.verifier_urls[0]

    async def call(
        self, method: str, url: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Call with the API key; return status, JSON and headers."""
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            **headers,
            **({"Idempotency-Key": key} if key else {}),
        }
        async with self.session.request(method, url, json=body, headers=headers) as response:
            text = await response.read()
            return (
                response.status,
                (await response.json(content_type=None) if text else None),
                response.headers,
            )

    async def make_links(self, count: int, **fields: Any) -> list[dict[str, Any]]:
        """Make links in batches, each for an address of its own."""
        links: list[dict[str, Any]] = []
        while len(links) < count:
            items = [
                {"email": f"u{uuid4().hex}@example.com", "redirect_url": REDIRECT, **fields}
                for _ in range(min(500, count - len(links)))
            ]
            status, body, _ = await self.call("POST", f"{self.issuer_url}/v1/links/batch", {"links": items})
            assert status == 200, body
            links += [result["link"] for result in body["results"]]
        return links

    async def verify(self, token: str, *, replica: int = 0, key: str | None = None) -> tuple[int, Any]:
        """Redeem through the API; return status and JSON."""
        url = self.cluster.verifier_urls[replica % len(self.cluster.verifier_urls)]
        status, body, _ = await self.call(
            "POST", f"{url}/v1/links/verify", {"token": token, "jwt": False}, key=key
        )
        return status, body

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Ask for one link; return it with its secrets."""
        body = {"redirect_url": REDIRECT, **fields}
        status, answer, _ = await self.call("POST", f"{self.issuer_url}/v1/links", body)
        assert status == 201, answer
        link: dict[str, Any] = answer["link"]
        return link

    async def history(self, link: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{link, messages, timeline}` of a link."""
        status, told, _ = await self.call("GET", f"{self.issuer_url}/v1/links/{link['id']}")
        assert status == 200, told
        history: dict[str, Any] = told
        return history

    async def until_message(
        self, link: Mapping[str, Any], *statuses: str, seconds: float = 30
    ) -> dict[str, Any]:
        """Wait until the newest message of a link has one of these statuses; return the link's history."""
        deadline = monotonic() + seconds
        while True:
            told = await self.history(link)
            newest = told["messages"][-1]
            if newest["status"] in statuses:
                return told
            assert monotonic() < deadline, (
                f"still {newest['status']} after {seconds} s: {newest['last_error']}"
            )
            await asyncio.sleep(0.1)

    async def new_app(self, **settings: Any) -> "House":
        """Make an app on the same cluster; return the house as it sees it, with a key of all scopes but those over apps."""
        body = {"name": "Another", "base_url": self.cluster.site_url, **settings}
        status, app, _ = await self.call("POST", f"{self.issuer_url}/v1/apps", body)
        assert status == 201, app
        key = await self.new_key(app["id"], [scope for scope in SCOPES if not scope.startswith("apps:")])
        return replace(self, app_id=app["id"], api_key=key)

    async def new_key(self, app_id: str, scopes: list[str], **limits: Any) -> str:
        """Make a key of an app; return its text."""
        body = {"name": "test", "scopes": scopes, **limits}
        status, key, _ = await self.call("POST", f"{self.issuer_url}/v1/apps/{app_id}/keys", body)
        assert status == 201, key
        return str(key["key"])

    async def fail(self, *rules: dict[str, Any]) -> None:
        """Tell the inbox how to fail, in the place of what it was told before."""
        async with self.session.put(
            f"{self.cluster.inbox_url}/api/failures", json={"rules": rules}
        ) as response:
            assert response.status == 200, await response.text()

    async def inbox(self, **query: str) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.cluster.inbox_url}/api/messages", params=query) as response:
            found: list[dict[str, Any]] = await response.json()
            return found

    async def until_caught(self, count: int, seconds: float = 30, **query: str) -> list[dict[str, Any]]:
        """Wait until the inbox holds this many messages; return them."""
        deadline = monotonic() + seconds
        while True:
            found = await self.inbox(**query)
            if len(found) >= count or monotonic() > deadline:
                assert len(found) >= count, f"{len(found)} of {count} messages after {seconds} s"
                return found
            await asyncio.sleep(0.05)

    async def database(self, *, superuser: bool = False) -> asyncpg.Connection:
        """Connect as the owner, to look; or as one who may end other sessions."""
        server = self.cluster.backends.postgres
        if superuser and server is not None:
            return await asyncpg.connect(server.url(database="magiclink"))
        return await asyncpg.connect(self.cluster.backends.database_url)


@asynccontextmanager
async def running_house(data_dir: Path, plan: Plan | None = None) -> AsyncIterator[House]:
    """Start a cluster of one's own, and stop it."""
    cluster = Cluster(data_dir, plan or Plan())
    await cluster.start()
    try:
        app = await ensure_demo_app(cluster.backends.database_url, cluster.secrets_dir, cluster.site_url)
        connector = aiohttp.TCPConnector(limit=100)
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield House(cluster, str(app.app_id), app.api_key, session)
    finally:
        await cluster.stop()


async def start_stopped_stores(house: House) -> None:
    """Start PostgreSQL and Redis again where a test left them broken."""
    for name in ("postgres", "redis"):
        if not house.cluster.part(name).running:
            await house.cluster.start_part(name)


async def until_verifiers_ready(house: House) -> None:
    """Wait until both verifiers have their database again."""
    for name in ("verifier", "verifier-2"):
        for _ in range(100):
            async with house.session.get(f"{house.cluster.ops_url(name)}/readyz") as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.1)


def code_of(location: str) -> str:
    """Return the grant in a redirect."""
    return parse_qs(urlsplit(location).query)["code"][0]
