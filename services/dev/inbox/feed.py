"""`GET /api/events`: what happens in the inbox, as it happens, as Server-Sent Events (WHATWG HTML, section 9.2).

A listener that reads slowly loses events, never slows the inbox: its queue is bounded, and when it is full everything in
it gives way to one `missed`, which says "ask again for what you show".
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from services.dev.inbox.mailbox import CaughtMessage, Mailbox, What
from services.dev.inbox.problem import problem

MAX_LISTENERS = 100
MAX_WAITING = 200
HEARTBEAT_SECONDS = 15.0
WRITE_SECONDS = 10.0

Event = tuple[str, dict[str, Any]]


class Feed:
    """Hands what the mailbox says to every listener."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._queues: set[asyncio.Queue[Event | None]] = set()
        mailbox.listen(self._heard)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/events", self.stream)]

    def tell(self, name: str, data: dict[str, Any]) -> None:
        for queue in self._queues:
            _put(queue, (name, data))

    def close(self) -> None:
        """End every stream, so that the server need not wait for them."""
        for queue in self._queues:
            _put(queue, None)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer with events `caught`, `changed`, `cleared`, `failures` and `missed`; the data is JSON."""
        if len(self._queues) >= MAX_LISTENERS:
            return problem(503, "too_many_listeners", f"at most {MAX_LISTENERS} listen at a time")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async with self._listening() as queue:
            await response.write(b"retry: 1000\n\n")
            while (chunk := await _next_chunk(queue)) is not None:
                try:
                    async with asyncio.timeout(WRITE_SECONDS):
                        await response.write(chunk)
                except (ConnectionResetError, TimeoutError):
                    break  # gone, or reads nothing; it connects again when it can
        return response

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncio.Queue[Event | None]]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MAX_WAITING)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def _heard(self, what: What, message: CaughtMessage | None) -> None:
        self.tell(what, _facts(message) if message else {})


def _put(queue: asyncio.Queue[Event | None], event: Event | None) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(("missed", {}))
    queue.put_nowait(event)


async def _next_chunk(queue: asyncio.Queue[Event | None]) -> bytes | None:
    """Return the next event as it goes over the wire, a comment when nothing happened, `None` at the end."""
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            event = await queue.get()
    except TimeoutError:
        return b": still here\n\n"
    if event is None:
        return None
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _facts(message: CaughtMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "channel": message.channel,
        "to": message.to,
        "subject": message.subject,
        "status": message.status,
        "received_at": message.received_at.isoformat(),
    }
