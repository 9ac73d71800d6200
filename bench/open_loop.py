"""Load at a rate, whether or not the answers keep up: what a service meets when more people come than it can serve.

    python -m bench.open_loop --url URL --path /v1/links/verify --headers FILE --bodies FILE --rate 4000 --seconds 5

A request is due at its place in an even row of arrivals and its latency counts from there, so a stall is seen by all who came during it (no
coordinated omission). It goes out on an idle connection, or waits for one: `--connections` is what the crowd may hold open.

wrk keeps no rate and mixes the latencies of accepted and refused; h2load sends one body only; vegeta is Go and not in Debian. This one, on
asyncio's bare protocol, costs 36 µs of CPU time a request at 3,000 a second, against a service's several hundred. It says how late it was
itself (`generator_late_ms`): a latency is worth no more than that.
"""

import argparse
import asyncio
import json
import resource
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

_TICK_SECONDS = 0.001
PATIENCE_SECONDS = 2.0
_LENGTH = b"\r\nContent-Length: "


@dataclass(slots=True)
class Seen:
    """What came back, by status; latencies in milliseconds."""

    latencies_ms: dict[int, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    broken: int = 0
    late_ms: list[float] = field(default_factory=list)

    def add(self, status: int, milliseconds: float) -> None:
        self.statuses[status] += 1
        self.latencies_ms.setdefault(status, []).append(milliseconds)


class Connection(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self._read = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._crowd.is_idle(self)

    def send(self, request: bytes, due: float) -> None:
        self._due, self.busy = due, True
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        read = self._read + data if self._read else data
        head = read.find(b"\r\n\r\n")
        at = read.find(_LENGTH, 0, head)
        if head < 0 or at < 0 or len(read) < head + 4 + int(read[at + 18 : read.index(b"\r", at + 18)]):
            self._read = read
            return
        self._read, self.busy = b"", False
        status = int(read[9:12])
        seen = self._crowd.seen
        if status == 503 and read.find(b"\r\nRetry-After: ", 0, head) < 0:
            seen.without_retry_after += 1
        seen.add(status, (time.monotonic() - self._due) * 1000)
        self._crowd.is_idle(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.busy:
            self._crowd.seen.broken += 1
        self._crowd.is_gone(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Crowd:
    """All connections, and what waits for one of them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[Connection] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        self.seen = Seen()

    async def open(self, connections: int) -> None:
        for _ in range(connections):
            await self._open()

    async def _open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: Connection(self), self._host, self._port)

    def is_idle(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def is_gone(self, connection: Connection) -> None:
        """Open another one in its place: who hung up is not the one who waits."""
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._closed:
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def run(self, requests: list[bytes], rate: float, patience_seconds: float) -> None:
        """Send each request at its time; wait for the last answers, though not for ever."""
        started, sent = time.monotonic(), 0
        while sent < len(requests):
            due = min(int((time.monotonic() - started) * rate) + 1, len(requests))
            for number in range(sent, due):
                self._arrive(requests[number], started + number / rate)
            sent = due
            await asyncio.sleep(_TICK_SECONDS)
        deadline = time.monotonic() + patience_seconds
        while self.unanswered(sent) and time.monotonic() < deadline:  # noqa: ASYNC110 - the last answers only
            await asyncio.sleep(0.01)
        self._closed = True

    def unanswered(self, sent: int) -> int:
        return sent - self.seen.statuses.total() - self.seen.broken

    def _arrive(self, request: bytes, due: float) -> None:
        self.seen.late_ms.append((time.monotonic() - due) * 1000)
        if self._idle:
            self._idle.pop().send(request, due)
        else:
            self._waiting.append((request, due))

    def close(self) -> None:
        self._closed = True
        for connection in self._idle:
            connection.close()


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """Return p50, p90 and p99."""
    ordered = sorted(milliseconds)
    return {
        f"p{part}": ordered[min(len(ordered) * part // 100, len(ordered) - 1)]
        for part in (50, 90, 99)
        if ordered
    }


async def offer(
    url: str, requests: list[bytes], rate: float, connections: int, patience_seconds: float = PATIENCE_SECONDS
) -> dict[str, object]:
    """Offer the requests at the rate; return `{seconds, sent, statuses, latencies_ms by status, …}`."""
    crowd = Crowd(url)
    await crowd.open(connections)
    before = _cpu_seconds()
    await crowd.run(requests, rate, patience_seconds)
    spent = _cpu_seconds() - before
    seen = crowd.seen
    crowd.close()
    return {
        "seconds": len(requests) / rate,
        "sent": len(requests),
        "statuses": dict(seen.statuses),
        "latencies_ms": {status: percentiles(found) for status, found in seen.latencies_ms.items()},
        "unanswered": crowd.unanswered(len(requests)),
        "broken": seen.broken,
        "without_retry_after": seen.without_retry_after,
        "generator_late_ms": percentiles(seen.late_ms),
        "generator_cpu_us": spent / len(requests) * 1e6,
    }


def requests_of(path: str, headers: bytes, bodies: list[bytes]) -> list[bytes]:
    """Return the requests whole: nothing is put together while the clock runs. Headers are lines, each with its line end."""
    head = f"POST {path} HTTP/1.1\r\n".encode() + headers
    return [
        head.replace(b"{number}", b"%d" % n) + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for n, body in enumerate(bodies)
    ]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="Load at a rate.")
    parser.add_argument("--url", required=True, help="scheme, host and port")
    parser.add_argument("--path", required=True)
    parser.add_argument(
        "--headers", type=Path, required=True, help="a header a line; {number} becomes the request's"
    )
    parser.add_argument(
        "--bodies", type=Path, required=True, help="a body a line; with --seconds taken round and round"
    )
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, help="default: until each body was sent once")
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, help="seconds for the last answers"
    )
    asked = parser.parse_args()
    headers = b"".join(line + b"\r\n" for line in asked.headers.read_bytes().splitlines())
    bodies = asked.bodies.read_bytes().splitlines()
    if asked.seconds is not None:
        count = int(asked.rate * asked.seconds)
        bodies = (bodies * (count // len(bodies) + 1))[:count]
    requests = requests_of(asked.path, headers, bodies)
    print(json.dumps(uvloop.run(offer(asked.url, requests, asked.rate, asked.connections, asked.patience))))


if __name__ == "__main__":
    main()
