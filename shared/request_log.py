"""The log line of each request and of each delivery, by the shortest way: the same members as any other line, written once a turn of the event loop.

Through structlog's chain it was a tenth of what a refused request costs (docs/decisions/0014). Nothing in it needs redaction: the
route is a pattern, ids are ours, and an id that the caller gave is redacted here.
"""

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import BinaryIO

import orjson
import structlog

from shared.clock import Clock, wall
from shared.log import SHORTEST_SECRET, redact

log = structlog.get_logger()


class RequestLog:
    """Writes lines as JSON, or hands them to structlog until `write_json_lines` says where to."""

    def __init__(self, clock: Clock = wall) -> None:
        self._clock = clock
        self._service = ""
        self._lines: list[bytes] = []
        self._stream: BinaryIO | None = None
        self._wanted = True

    def write_json_lines(self, service: str, stream: BinaryIO) -> None:
        """Write the lines to this stream from now on."""
        self._service = service
        self._stream = stream

    def leave_out(self) -> None:
        """Write none: the level is above `info`."""
        self._wanted = False

    def write(self, method: str, route: str, status: int, seconds: float, request_id: str) -> None:
        """Write the line of one request."""
        milliseconds = round(seconds * 1000, 2)
        self.tell(
            "request", request_id, {"method": method, "route": route, "status": status, "ms": milliseconds}
        )

    def tell(self, event: str, request_id: str, members: Mapping[str, str | float]) -> None:
        """Write a line of anything else that comes by the thousand. No text of `members` may be a caller's own."""
        if not self._wanted:
            return
        if self._stream is None:
            log.info(event, **members)
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(
            orjson.dumps(
                {
                    **members,
                    "event": event,
                    "request_id": request_id if len(request_id) < SHORTEST_SECRET else redact(request_id),
                    "level": "info",
                    "timestamp": datetime.fromtimestamp(self._clock(), UTC)
                    .isoformat()
                    .replace("+00:00", "Z"),
                    "service": self._service,
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
        )

    def flush(self) -> None:
        """Write what was gathered."""
        lines, self._lines = self._lines, []
        if self._stream is not None and lines:
            self._stream.write(b"".join(lines))
            self._stream.flush()


REQUEST_LOG = RequestLog()


def send_to_standard_output(service: str, level: str, *, json: bool) -> None:
    """Set up the process's request log, as `configure_logging` does with every other line."""
    if level not in ("debug", "info"):
        REQUEST_LOG.leave_out()
    elif json:
        REQUEST_LOG.write_json_lines(service, sys.stdout.buffer)
