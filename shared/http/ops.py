"""The operations port: `/livez`, `/readyz` with each dependency named, `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[object]]
_CHECK_SECONDS = 2.0


@dataclass(slots=True)
class Health:
    """What readiness depends on. `draining` turns it off before the listeners close, so that balancers look away first."""

    checks: Mapping[str, Check]
    # A dependency the service works without, slower: named in the answer, but no reason to take the replica out.
    optional: frozenset[str] = frozenset()
    draining: bool = field(default=False)

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Return whether the service is ready, and a word for each dependency."""
        words = dict(zip(self.checks, await asyncio.gather(*map(_word, self.checks.values())), strict=True))
        ready = all(word == "ok" for name, word in words.items() if name not in self.optional)
        if self.draining:
            words["service"] = "draining"
        return ready and not self.draining, words


async def _word(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001 - the kind of failure is the answer; its text may hold addresses
        return f"failed: {type(error).__name__}"
    return "ok"


def ops_application(health: Health) -> web.Application:
    """Build the application of the operations port."""

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        ready, checks = await health.report()
        body = {"status": "ready" if ready else "not ready", "checks": checks}
        return web.json_response(body, status=200 if ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app
