"""From half to three times of what verify and issue can do: how many are served, how many sent away, and how long the served wait."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from bench.house import House
from bench.row import Contender, Effort, Row, Sample
from bench.rows.issue import issuing
from bench.rows.offering import Offer, answered, offered
from bench.rows.verify import verifying

FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
SMOKE_FACTORS = (0.5, 3.0)
NOTE = (
    "Capacity is what wrk reaches just before with 64 connections. Requests then come at a fixed rate, on up to 512 connections, and a latency "
    "counts from when the request was due, so waiting for a connection is in it. The figure is what is still served at three times the capacity."
)
_SERIES = ("offered_per_second", "accepted_per_second", "shed_per_second", "unanswered_per_second", "accepted_p50_ms", "accepted_p99_ms",
           "shed_p99_ms", "generator_late_p99_ms")  # fmt: skip
Bodies = Callable[[int], Awaitable[list[str]]]


async def rows(house: House) -> list[Row]:
    """Return the curves of both services."""

    async def tokens(count: int) -> list[str]:
        return [json.dumps({"token": token, "jwt": False}) for token in await house.make_tokens(count)]

    async def addresses(count: int) -> list[str]:
        return [json.dumps({"email": email, "channel": "email"}) for email in await house.make_emails(count)]

    verify = _Curve(house, (house.verifier_url, "/v1/links/verify"), verifying(house, None), tokens)
    issue = _Curve(house, (house.issuer_url, "/v1/links"), issuing(house, known=True), addresses)
    return [
        Row("overload, verify", "requests/s", Contender("ours", verify.measure), [], [], NOTE, rounds=1),
        Row("overload, issue", "requests/s", Contender("ours", issue.measure), [], [], NOTE, rounds=1),
    ]


class _Curve:
    """One path at rising rates."""

    def __init__(self, house: House, place: tuple[str, str], closed: Contender, bodies: Bodies) -> None:
        self._house = house
        self._url, self._path = place
        self._closed = closed
        self._bodies = bodies

    async def measure(self, effort: Effort) -> Sample:
        capacity = (await self._closed.measure(effort)).figure
        points = [
            await self._point(capacity * factor, effort)
            for factor in (SMOKE_FACTORS if effort.smoke else FACTORS)
        ]
        series = {name: [point[name] for point in points] for name in _SERIES}
        last = points[-1]
        latencies = {"p50": last["accepted_p50_ms"], "p99": last["accepted_p99_ms"]}
        return Sample(
            last["accepted_per_second"],
            latencies,
            series={**series, "capacity_per_second": [capacity] * len(points)},
        )

    async def _point(self, rate: float, effort: Effort) -> dict[str, float]:
        bodies = await self._bodies(int(rate * effort.seconds))
        told = await offered(
            self._house, Offer(self._url, self._path, bodies, rate, keyed=self._path.endswith("/verify"))
        )
        await self._house.forget_messages()
        return point(told, rate)


def point(told: dict[str, Any], rate: float) -> dict[str, float]:
    """Return one point of the curve. Raises `SystemExit` for an answer that is neither served nor sent away as it should be."""
    wrong = {
        status: count for status, count in told["statuses"].items() if status not in ("200", "201", "503")
    }
    if wrong or told["without_retry_after"]:
        raise SystemExit(
            f"under load: answers {wrong}, {told['without_retry_after']} times 503 without Retry-After"
        )
    seconds, latencies = told["seconds"], told["latencies_ms"]
    served = latencies.get("200") or latencies.get("201") or {"p50": 0.0, "p99": 0.0}
    return {
        "offered_per_second": rate,
        "accepted_per_second": answered(told, 200, 201) / seconds,
        "shed_per_second": answered(told, 503) / seconds,
        "unanswered_per_second": (told["unanswered"] + told["broken"]) / seconds,
        "accepted_p50_ms": served["p50"],
        "accepted_p99_ms": served["p99"],
        "shed_p99_ms": latencies.get("503", {}).get("p99", 0.0),
        "generator_late_p99_ms": told["generator_late_ms"]["p99"],
    }
