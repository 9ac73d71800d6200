"""The live feed: what happens is told at once, to everybody, and a listener that does not listen costs nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from services.dev.inbox import InboxOptions, start
from services.dev.inbox.feed import MAX_LISTENERS, MAX_WAITING
from tests.integration.inbox.inbox_client import InboxClient


class Listener:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> tuple[str, Any]:
        name = ""
        async with asyncio.timeout(10):
            while True:
                line = (await self.answer.content.readline()).decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    return name, json.loads(line.removeprefix("data: "))


@asynccontextmanager
async def listening(client: InboxClient) -> AsyncIterator[Listener]:
    async with client.http.get("/api/events") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        await answer.content.readline()
        yield Listener(answer)


async def test_what_happens_is_told_to_every_listener(client: InboxClient) -> None:
    async with listening(client) as one, listening(client) as other:
        await client.send_mail("a-usable-secret")
        for listener in (one, other):
            name, data = await listener.next()
            assert (name, data["channel"], data["to"]) == ("caught", "email", "ada@example.com")
            assert "secret" not in json.dumps(data)
        async with client.http.delete("/api/messages"):
            assert (await one.next())[0] == "cleared"
        async with client.http.put("/api/failures", json={"rules": []}):
            assert (await one.next())[0] == "failures"


async def test_a_listener_that_reads_nothing_is_told_what_it_missed_and_slows_nobody(
    client: InboxClient,
) -> None:
    feed = client.inbox.feed
    async with listening(client) as slow:
        for number in range(MAX_WAITING * 3):  # without a pause: the stream cannot be written meanwhile
            feed.tell("caught", {"number": number})
        (queue,) = feed._queues
        assert queue.qsize() <= MAX_WAITING
        assert (await slow.next())[0] == "missed"
        last = await slow.next()
        while last[1].get("number") != MAX_WAITING * 3 - 1:
            last = await slow.next()


async def test_there_is_an_end_to_listeners(client: InboxClient) -> None:
    async with aiohttp.ClientSession(client.inbox.url, connector=aiohttp.TCPConnector(limit=0)) as http:
        streams = [await http.get("/api/events") for _ in range(MAX_LISTENERS)]
        async with http.get("/api/events") as answer:
            assert answer.status == 503
        for stream in streams:
            stream.close()


async def test_a_listener_does_not_hold_up_the_end() -> None:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0))
    async with aiohttp.ClientSession(inbox.url) as http, http.get("/api/events") as answer:
        await answer.content.readline()
        async with asyncio.timeout(1):
            await inbox.close()
        assert (await answer.content.read()).strip() == b""
