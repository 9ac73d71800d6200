"""Somebody who asked for status callbacks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Receiver:
    """What was called back, in order; `answers` are the statuses of the first answers, then 204."""

    answers: list[int] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/callbacks/twilio?message_id=x&attempt=1"

    @property
    def statuses(self) -> list[str]:
        return [fields["MessageStatus"] for _, fields, _ in self.calls]

    async def receive(self, request: web.Request) -> web.Response:
        fields: dict[str, Any] = dict(await request.post())
        self.calls.append((str(request.url), fields, request.headers["X-Twilio-Signature"]))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": self.url} if status == 307 else {})

    async def until(self, count: int) -> None:
        async with asyncio.timeout(15):
            while len(self.calls) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    receiving = Receiver()
    app = web.Application()
    app.router.add_post("/callbacks/twilio", receiving.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiving.port = runner.addresses[0][1]
    yield receiving
    await runner.cleanup()
