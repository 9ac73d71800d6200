"""A cluster to measure, with the references beside it, and one client for what is prepared."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import orjson

from bench.load import Load, Outcome, run_load
from bench.processes import cpu_seconds
from bench.row import Effort, Sample
from services.dev.children import Command, bare_environment
from services.dev.cluster import Cluster
from services.dev.demo_app import ensure_demo_app
from services.dev.plan import Plan, local_url
from services.dev.ports import HOST, choose_unfixed
from services.dev.service import Service

# One client sends what a fleet of them would: limits by address and key are lifted, everything else is as shipped.
SETTINGS: Mapping[str, str] = {
    "MAGICLINK_RATE_PER_ADDRESS": "100000000",
    "MAGICLINK_RATE_PER_KEY": "100000000",
}
INTERACTIVE_PER_MINUTE = 1_000_000
_ANYTHING_DUE = "SELECT true FROM magiclink.outbox WHERE due_at <= now() LIMIT 1"
_PREPARED_AT_ONCE = 1_000
_TABLE = "CREATE TABLE IF NOT EXISTS bench_inserted (id uuid PRIMARY KEY, words text NOT NULL, at timestamptz NOT NULL)"


def bench_plan(**changes: Any) -> Plan:
    """Return a plan with the load's limits lifted: one issuer and one verifier, and what `changes` says.

    No notifier unless asked for: it would send what `POST /v1/links` queues while that is measured, on the same two cores.
    """
    plan = Plan(notifiers=0, environment={"*": dict(SETTINGS)})
    environment = {name: dict(settings) for name, settings in changes.pop("environment", {}).items()}
    environment["*"] = {**SETTINGS, **environment.get("*", {})}
    return replace(plan, environment=environment, **changes)


@dataclass
class House:
    """A running cluster, its demo app's key, a client, and a folder that goes with it."""

    cluster: Cluster
    app_id: str
    api_key: str
    session: aiohttp.ClientSession
    folder: Path
    _beside: dict[str, Service] = field(default_factory=dict)
    _closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @property
    def issuer_url(self) -> str:
        return self.cluster.issuer_urls[0]

    @property
    def verifier_url(self) -> str:
        return self.cluster.verifier_urls[0]

    @property
    def headers(self) -> dict[str, str]:
        """What a product service sends with each call."""
        return {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}

    def pid(self, name: str) -> int:
        """Return the process of a service's replica (`verifier`), or of what was started beside."""
        part = self._beside.get(name) or self.cluster.part(name)
        assert isinstance(part, Service)  # noqa: S101 - backends have other kinds of processes
        return part.pid

    async def set_app(self, **settings: Any) -> None:
        """Change the app's settings; the services that keep them for seconds have heard of it when this returns."""
        await self.expect(200, "PATCH", f"{self.issuer_url}/v1/apps/{self.app_id}", settings)
        await asyncio.sleep(0.2)

    async def call(self, method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Call with the API key; return status and JSON."""
        data = None if body is None else orjson.dumps(body)
        async with self.session.request(
            method, url, data=data, headers={**self.headers, **headers}
        ) as response:
            text = await response.read()
            return response.status, orjson.loads(text) if text else None

    async def expect(self, status: int, method: str, url: str, body: Any = None) -> Any:
        """Call, and return the JSON of an answer of this status. Raises `SystemExit` for another."""
        answered, told = await self.call(method, url, body)
        if answered != status:
            raise SystemExit(f"{method} {url} answered {answered} in place of {status}: {str(told)[:500]}")
        return told

    async def make_links(self, count: int, **item: Any) -> list[dict[str, Any]]:
        """Make links by the batch, a few requests at a time. Without `user_id` or `email`, all are of one user."""
        if not item.keys() & {"user_id", "email"}:
            item = {"email": "everybody@example.com", **item}
        sizes = [min(_PREPARED_AT_ONCE, count - done) for done in range(0, count, _PREPARED_AT_ONCE)]
        gate = asyncio.Semaphore(4)

        async def make(size: int) -> list[dict[str, Any]]:
            async with gate:
                url = f"{self.issuer_url}/v1/links/batch"
                made = await self.expect(200, "POST", url, {"links": [item] * size})
                return [result["link"] for result in made["results"]]

        return [link for links in await asyncio.gather(*map(make, sizes)) for link in links]

    async def make_tokens(self, count: int) -> list[str]:
        """Make links that nobody is sent, and return their tokens once the issuer has relayed what it had to."""
        tokens = [link["token"] for link in await self.make_links(count)]
        await self.until_relayed()
        return tokens

    async def until_relayed(self, seconds: float = 120.0) -> None:
        """Wait until nothing that is due stands in the outbox. Raises `SystemExit` after so many seconds."""
        connection = await self.database()
        try:
            for _ in range(int(seconds / 0.05)):
                if not await connection.fetchval(_ANYTHING_DUE):
                    return
                await asyncio.sleep(0.05)
        finally:
            await connection.close()
        raise SystemExit(f"the outbox was not relayed within {seconds:.0f} s")

    async def forget_messages(self) -> None:
        """Delete all messages: with no notifier they would stay queued, and the sweeper would take care of them in later rounds."""
        await self.until_relayed()
        connection = await self.database()
        try:
            await connection.execute("TRUNCATE magiclink.messages CASCADE")
        finally:
            await connection.close()

    async def make_emails(self, count: int) -> list[str]:
        """Make users, and return their addresses."""
        emails = [f"u{uuid4().hex}@example.com" for _ in range(count)]
        connection = await self.database()
        try:
            await connection.execute(
                "INSERT INTO magiclink.users (id, app_id, email) SELECT gen_random_uuid(), $1::uuid, unnest($2::text[])",
                self.app_id,
                emails,
            )
        finally:
            await connection.close()
        return emails

    async def database(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Connect as the database's owner, to prepare and to look."""
        return await asyncpg.connect(self.cluster.backends.database_url)

    async def reference(self, mode: str) -> tuple[str, int]:
        """Start the HTTP reference of this mode (bench/references/web.py) unless it runs; return its URL and process."""
        name = f"reference-{mode}"
        if name not in self._beside:
            arguments = ["--mode", mode, "--redis", self.cluster.backends.redis_url]
            arguments += ["--database", self.cluster.backends.database_url]
            await self.start_beside(name, ["bench.references.web", *arguments])
        service = self._beside[name]
        return service.ready_url.removesuffix("/readyz"), service.pid

    async def start_beside(self, name: str, module: Sequence[str]) -> Service:
        """Run a module of ours with `--port N` as a process of its own, until the house ends. It answers 200 at `/readyz`."""
        port = choose_unfixed([name])[name]
        argv = [sys.executable, "-m", *module, "--port", str(port)]
        return await self.keep(name, argv, bare_environment(), f"{local_url(port)}/readyz")

    async def start_replica(self, service: str, name: str, *arguments: str) -> str:
        """Start one more replica of a service, with these arguments (`--workers 2`), beside the cluster; return its URL."""
        like = self.cluster.part(service)
        assert isinstance(like, Service)  # noqa: S101
        ports = choose_unfixed([name, f"{name}-ops"])
        environment = {
            **like.command.environment,
            "MAGICLINK_HTTP_PORT": str(ports[name]),
            "MAGICLINK_OPS_PORT": str(ports[f"{name}-ops"]),
        }
        argv = [sys.executable, "-m", "services.cli", service, *arguments]
        await self.keep(name, argv, environment, f"{local_url(ports[f'{name}-ops'])}/readyz")
        return f"http://{HOST}:{ports[name]}"

    async def keep(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], ready_url: str
    ) -> Service:
        """Start a process that ends with the house, under this name."""
        command = Command(list(argv), self.cluster.logs_dir / f"{name}.log", environment)
        self._beside[name] = service = Service(name, command, ready_url)
        await service.start()
        return service

    async def stop_beside(self, name: str) -> None:
        """Stop what was started beside under this name."""
        await self._beside.pop(name).stop()

    async def under_load(self, load: Load, effort: Effort, *pids: int) -> Sample:
        """Measure requests a second, latencies, and the CPU time that these processes spend on one, until its events are relayed."""
        before = cpu_seconds(*pids)
        outcome = await run_load(load, effort.seconds)
        await self.until_relayed()
        return _sample(outcome, cpu_seconds(*pids) - before)

    async def alone_under_load(self, load: Load, effort: Effort, *pids: int) -> Sample:
        """Measure the same without the issuer beside, which relays the events of others. It starts again afterwards."""
        await self.cluster.stop_part("issuer")
        try:
            before = cpu_seconds(*pids)
            outcome = await run_load(load, effort.seconds)
            return _sample(outcome, cpu_seconds(*pids) - before)
        finally:
            await self.cluster.start_part("issuer")
            await self.until_relayed()

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Run this when the house ends."""
        self._closing.append(close)

    async def close(self) -> None:
        for close in reversed(self._closing):
            await close()
        for name in list(self._beside):
            await self.stop_beside(name)


def _sample(outcome: Outcome, cpu_seconds_spent: float) -> Sample:
    return Sample(outcome.per_second, outcome.latencies_ms, cpu_seconds_spent / outcome.requests * 1e6)


@asynccontextmanager
async def open_house(folder: Path, plan: Plan | None = None) -> AsyncIterator[House]:
    """Start a cluster, and stop it with everything that was started beside."""
    cluster = Cluster(folder, bench_plan() if plan is None else plan)
    await cluster.start()
    try:
        url = cluster.backends.database_url
        app = await ensure_demo_app(url, cluster.secrets_dir, cluster.site_url)
        connection = await asyncpg.connect(url)
        await connection.execute(_TABLE)
        await connection.close()
        connector = aiohttp.TCPConnector(limit=100)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            house = House(cluster, str(app.app_id), app.api_key, session, folder)
            try:
                await house.set_app(interactive_per_minute=INTERACTIVE_PER_MINUTE)
                yield house
            finally:
                await house.close()
    finally:
        await cluster.stop()
