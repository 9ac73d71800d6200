"""Requests offered at a rate by `bench.open_loop`, a process of its own."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from bench.house import House
from bench.open_loop import PATIENCE_SECONDS
from services.dev.children import bare_environment

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
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.open_loop", *argv,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=bare_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout((offer.seconds or len(offer.bodies) / offer.rate) + _MOST_EXTRA_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SystemExit(f"bench.open_loop failed:\n{errors.decode()[-2000:]}")
    told: dict[str, Any] = json.loads(output)
    return told


def answered(told: dict[str, Any], *statuses: int) -> int:
    """Return how many were answered with one of these."""
    return sum(told["statuses"].get(str(status), 0) for status in statuses)
