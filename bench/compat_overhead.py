"""What compat adds to the native API's latency, one caller at a time.

    python -m bench.compat_overhead [--rounds 5] [--calls 200] [--json]

Each pair does the same work: once by the native API, once by a vendor's. Rounds alternate between the two, so that a machine that is busy
for a while is busy for both. A round's figure is the median latency of its calls, a pair's the median of its rounds.
"""

import argparse
import asyncio
import base64
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from services.dev.cluster import Cluster
from services.dev.plan import Plan

LIMITS = {
    "MAGICLINK_RATE_PER_ADDRESS": "10000000",
    "MAGICLINK_RATE_PER_KEY": "10000000",
    "MAGICLINK_LOG_LEVEL": "info",
}
_JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Pair:
    """The same work twice; `prepare` makes what each call uses up. Each of the others does one call with one of these."""

    name: str
    prepare: Callable[[int], Awaitable[list[Any]]]
    native: Callable[[Any], Awaitable[None]]
    vendor: Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: the median of the rounds' medians, and the lowest and highest of them."""

    native: tuple[float, float, float]
    vendor: tuple[float, float, float]

    @property
    def ratio(self) -> float:
        return self.vendor[0] / self.native[0]


class Bench:
    """A cluster, and one connection to each of its services."""

    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession) -> None:
        assert cluster.vendor_apps is not None  # noqa: S101 - the plan has a compat
        given = cluster.vendor_apps.vendors["stytch"]
        self._session = session
        self._issuer, self._verifier, self._compat = (
            cluster.issuer_urls[0],
            cluster.verifier_urls[0],
            cluster.compat_urls[0],
        )
        self._native = {"Authorization": f"Bearer {given['secret']}", **_JSON_TYPE}
        basic = base64.b64encode(f"{given['project_id']}:{given['secret']}".encode()).decode()
        self._vendor = {"Authorization": f"Basic {basic}", **_JSON_TYPE}
        self._user: dict[str, Any] = {}

    async def pairs(self) -> list[Pair]:
        """Return what is compared, with a user to sign in."""
        user: dict[str, Any] = await self._post(
            f"{self._issuer}/v1/users", self._native, {"email": f"{uuid4().hex}@example.com"}, 201
        )
        self._user = user
        session = {"expires_in_seconds": 3600}
        return [
            Pair(
                "redeem (Stytch magic_links.authenticate)",
                self._tokens,
                lambda token: self._verify({"token": token, "jwt": False}),
                lambda token: self._stytch("/v1/magic_links/authenticate", {"token": token}),
            ),
            Pair(
                "redeem with session and JWT (Stytch magic_links.authenticate)",
                self._tokens,
                lambda token: self._verify({"token": token, "session": session}),
                lambda token: self._stytch(
                    "/v1/magic_links/authenticate", {"token": token, "session_duration_minutes": 60}
                ),
            ),
            Pair(
                "create (Stytch magic_links.create)",
                self._nothing,
                lambda _: self._create(),
                lambda _: self._stytch("/v1/magic_links", {"user_id": user["public_id"]}),
            ),
        ]

    async def _tokens(self, count: int) -> list[str]:
        links = [{"user_id": self._user["id"], "binding": "none"} for _ in range(count)]
        made = await self._post(f"{self._issuer}/v1/links/batch", self._native, {"links": links}, 200)
        return [result["link"]["token"] for result in made["results"]]

    async def _nothing(self, count: int) -> list[None]:
        return [None] * count

    async def _verify(self, body: dict[str, Any]) -> None:
        await self._post(
            f"{self._verifier}/v1/links/verify", {**self._native, "Idempotency-Key": uuid4().hex}, body, 200
        )

    async def _create(self) -> None:
        headers = {**self._native, "Idempotency-Key": uuid4().hex}
        await self._post(f"{self._issuer}/v1/links", headers, {"user_id": self._user["id"]}, 201)

    async def _stytch(self, path: str, body: dict[str, Any]) -> None:
        await self._post(self._compat + path, self._vendor, body, 200)

    async def _post(self, url: str, headers: dict[str, str], body: dict[str, Any], status: int) -> Any:
        async with self._session.post(url, data=json.dumps(body), headers=headers) as response:
            answer = await response.read()
            if response.status != status:
                raise SystemExit(f"{url} answered {response.status}: {answer[:500].decode()}")
            return json.loads(answer)


async def measure(pair: Pair, rounds: int, calls: int) -> Figures:
    """Run a pair's rounds, after one that only warms up."""
    found: dict[str, list[float]] = {"native": [], "vendor": []}
    for number in range(rounds + 1):
        for name, call in (("native", pair.native), ("vendor", pair.vendor)):
            taken = await latencies_ms(call, await pair.prepare(calls))
            if number:
                found[name].append(statistics.median(taken))
    return Figures(_spread(found["native"]), _spread(found["vendor"]))


async def latencies_ms(call: Callable[[Any], Awaitable[None]], things: list[Any]) -> list[float]:
    """Call once with each of these, one after the other."""
    taken = []
    for thing in things:
        started = time.perf_counter()
        await call(thing)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _spread(rounds: list[float]) -> tuple[float, float, float]:
    return statistics.median(rounds), min(rounds), max(rounds)


async def run(rounds: int, calls: int) -> dict[str, Figures]:
    """Start a cluster, measure every pair, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), Plan(compats=1, environment={"*": LIMITS}))
        await cluster.start()
        try:
            connector = aiohttp.TCPConnector(limit_per_host=1)
            async with aiohttp.ClientSession(connector=connector) as session:
                pairs = await Bench(cluster, session).pairs()
                return {pair.name: await measure(pair, rounds, calls) for pair in pairs}
        finally:
            await cluster.stop()


def table(found: dict[str, Figures]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| | native, ms | through compat, ms | ratio |", "|---|---|---|---|"]
    for name, figures in found.items():
        cells = [
            f"{middle:.2f} ({low:.2f} to {high:.2f})"
            for middle, low, high in (figures.native, figures.vendor)
        ]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {figures.ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="What compat adds to the native API's latency, one caller at a time."
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200, help="calls a round")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = asyncio.run(run(asked.rounds, asked.calls))
    told = {name: {"native": f.native, "vendor": f.vendor, "ratio": f.ratio} for name, f in found.items()}
    print(json.dumps(told, indent=2) if asked.json else table(found))


if __name__ == "__main__":
    main()
