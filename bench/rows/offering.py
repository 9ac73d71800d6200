"""Requests offered at a rate by `bench.open_loop`, a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from bench.house import House
from bench.open_loop import PATIENCE_SECONDS
from bench.processes import run_module

_MOST_EXTRA_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Offer:
    """POST requests at a rate; each body once, or for `seconds` round and round."""

    url: str
    path: str
    bodies: Sequence[str]
    rate: float
    seconds: float | None = None
    connections: int = 512
    patience_seconds: float = PATIENCE_SECONDS
    """How long to wait for answers after the last request was due."""
    keyed: bool = True
    """Each with an `Idempotency-Key` of its own."""


async def offered(house: House, offer: Offer) -> dict[str, Any]:
    """Offer, and return what `bench.open_loop` tells. Raises `SystemExit` when it fails."""
    headers, bodies = house.folder / "offer-headers", house.folder / "offer-bodies"
    lines = {"Host": urlsplit(offer.url).netloc, **house.headers}
    lines |= {"Idempotency-Key": f"{uuid4()}-{{number}}"} if offer.keyed else {}
    headers.write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
    bodies.write_text("\n".join(offer.bodies))
    argv = ["--url", offer.url, "--path", offer.path, "--headers", str(headers), "--bodies", str(bodies)]
    argv += ["--rate", str(offer.rate), "--connections", str(offer.connections)]
    argv += ["--patience", str(offer.patience_seconds)]
    argv += [] if offer.seconds is None else ["--seconds", str(offer.seconds)]
    most_seconds = (offer.seconds or len(offer.bodies) / offer.rate) + _MOST_EXTRA_SECONDS
    return await run_module("bench.open_loop", *argv, most_seconds=most_seconds)


def answered(told: dict[str, Any], *statuses: int) -> int:
    """Return how many were answered with one of these."""
    return sum(told["statuses"].get(str(status), 0) for status in statuses)
