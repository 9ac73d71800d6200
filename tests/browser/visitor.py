"""A person's browser, and all that it did: what it asked for, what it was told, what it complained about."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

# Chromium itself says so of every answer from 400 on; which answers are expected is the test's own to say.
STATUS_NOTE = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
TIMEOUT_MS = 30_000


@dataclass
class Visitor:
    """One browser context: cookies, history and records of its own."""

    context: BrowserContext
    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.context.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - no built-in method
        self.context.on("response", lambda response: self.responses.append(response))  # noqa: PLW0108
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not STATUS_NOTE.match(message.text):
            self.complaints.append(message.text)

    async def open(self, url: str) -> Page:
        """Open a URL in a new tab."""
        page = await self.context.new_page()
        await page.goto(url)
        return page

    def statuses(self, method: str, url: str) -> list[int]:
        """Return the statuses of the answers that arrived, in order."""
        return [
            found.status for found in self.responses if (found.request.method, found.url) == (method, url)
        ]

    def origins(self) -> set[str]:
        """Return the origins of everything that was asked for."""
        parts = [urlsplit(request.url) for request in self.requests]
        return {f"{part.scheme}://{part.netloc}" for part in parts if part.scheme != "data"}

    async def until_asked(self, method: str, url: str, seconds: float = 15) -> Response:
        """Wait for the answer to a request that no page waits for, such as a prefetch."""
        async with asyncio.timeout(seconds):
            while True:
                for response in self.responses:
                    if (response.request.method, response.url) == (method, url):
                        return response
                await asyncio.sleep(0.05)

    async def until_complained(self, words: str, seconds: float = 15) -> None:
        """Wait for a message on the console."""
        async with asyncio.timeout(seconds):
            while not any(words in complaint for complaint in self.complaints):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def visiting(browser: Browser, allowed: Sequence[str], **options: Any) -> AsyncIterator[Visitor]:
    """Visit in a fresh context; at the end it must have complained of nothing and asked only `allowed` origins."""
    context = await browser.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    visitor = Visitor(context)
    visitor.watch()
    try:
        yield visitor
    finally:
        await context.close()
    assert visitor.complaints == []
    assert visitor.origins() <= set(allowed)
