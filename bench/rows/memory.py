"""Memory of each service after a million links were issued and verified, and whether a steady load makes it grow."""

import asyncio
import json
import time
from statistics import linear_regression

from bench.house import House, bench_plan
from bench.processes import rss_bytes
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.offering import Offer, answered, offered
from bench.rows.programs import Sink

PLAN = bench_plan(notifiers=1)
SERVICES = ("issuer", "verifier", "notifier")
LINKS, SMOKE_LINKS = 1_000_000, 2_000
CHUNK = 20_000
# One in so many is sent by e-mail as well: the notifier's way does not depend on the others', and a million of these take an hour.
DELIVERED_PART = 50
SOAK_SECONDS, SMOKE_SOAK_SECONDS = 600, 6
SOAK_PER_SECOND = 50
_EVERY_SECONDS, _SMOKE_EVERY_SECONDS = 10.0, 1.0
# As fast as 64 connections go.
_VERIFIED_PER_SECOND = 1_000_000
_PATIENCE_SECONDS = 50
_MEGA = 1_000_000
NOTE = (
    "A million links issued by the batch and redeemed one by one, every fiftieth sent by e-mail too; then ten minutes of 50 links a second "
    "issued, sent and redeemed. The figure is the resident set after all of it, shared pages included; `slope` is what the soak's second "
    "half added, in MB an hour."
)


async def rows(house: House) -> list[Row]:
    """Return a row a service. All are of one run: the first that is measured makes it."""
    work = _Work(house, await Sink.start(house))
    bare = Contender("bare aiohttp", lambda _: _bare(house))
    return [
        Row(f"memory, {name}", "MB", work.contender(name), [bare], [Bound(120, 90, at_most=True)],
            NOTE if name == SERVICES[0] else "", rounds=1)
        for name in SERVICES
    ]  # fmt: skip


async def _bare(house: House) -> Sample:
    _, pid = await house.reference("bare")
    return Sample(rss_bytes(pid) / _MEGA)


class _Work:
    def __init__(self, house: House, sink: Sink) -> None:
        self._house = house
        self._sink = sink
        self._samples: dict[str, Sample] = {}

    def contender(self, name: str) -> Contender:
        async def measure(effort: Effort) -> Sample:
            if not self._samples:
                self._samples = await self._measure(effort)
            return self._samples[name]

        return Contender("ours", measure)

    async def _measure(self, effort: Effort) -> dict[str, Sample]:
        left = SMOKE_LINKS if effort.smoke else LINKS
        while left > 0:
            await self._chunk(min(CHUNK, left))
            left -= CHUNK
        after_work = self._rss()
        seconds, every = (
            (SMOKE_SOAK_SECONDS, _SMOKE_EVERY_SECONDS) if effort.smoke else (SOAK_SECONDS, _EVERY_SECONDS)
        )
        times, seen = await self._soak(seconds, every)
        return {name: _sample(after_work[name], times, seen[name]) for name in SERVICES}

    async def _chunk(self, count: int) -> None:
        delivered = max(count // DELIVERED_PART, 1)
        before = (await self._sink.taken())["count"]
        links = await self._house.make_links(count - delivered)
        links += await self._house.make_links(delivered, channel="email")
        await self._sink.until(before + delivered, 120)
        await self._verify([link["token"] for link in links], _VERIFIED_PER_SECOND)

    async def _verify(self, tokens: list[str], rate: float) -> None:
        bodies = [json.dumps({"token": token, "jwt": False}) for token in tokens]
        offer = Offer(
            self._house.verifier_url,
            "/v1/links/verify",
            bodies,
            rate,
            connections=64,
            patience_seconds=_PATIENCE_SECONDS,
        )
        told = await offered(self._house, offer)
        if answered(told, 200) != len(tokens):
            raise SystemExit(f"{len(tokens)} links to verify, answered: {told['statuses']}")

    async def _soak(self, seconds: float, every: float) -> tuple[list[float], dict[str, list[float]]]:
        times: list[float] = []
        seen: dict[str, list[float]] = {name: [] for name in SERVICES}
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds:
            times.append(now)
            for name, megabytes in self._rss().items():
                seen[name].append(megabytes)
            links = await self._house.make_links(int(SOAK_PER_SECOND * every), channel="email")
            await self._verify([link["token"] for link in links], SOAK_PER_SECOND * 1.25)
            await asyncio.sleep(max(0.0, begun + now + every - time.monotonic()))
        return times, seen

    def _rss(self) -> dict[str, float]:
        return {name: rss_bytes(self._house.pid(name)) / _MEGA for name in SERVICES}


def _sample(after_work: float, times: list[float], seen: list[float]) -> Sample:
    half = len(times) // 2
    slope = linear_regression(times[half:], seen[half:]).slope * 3600 if len(times) - half > 1 else 0.0
    series = {"seconds": times, "rss_mb": seen, "slope_mb_per_hour": [slope] * len(times)}
    return Sample(max(after_work, *seen), series=series)
