"""Stands in for a service: reads its settings, touches its database as its own role, and says it is ready."""

import asyncio
import json
import os

import asyncpg
from aiohttp import web


async def show(_: web.Request) -> web.Response:
    settings = {name: value for name, value in os.environ.items() if name.startswith("MAGICLINK_")}
    connection = await asyncpg.connect(os.environ["MAGICLINK_DATABASE_URL"])
    settings["role"] = await connection.fetchval("SELECT current_user")
    await connection.close()
    return web.Response(text=json.dumps(settings))


async def ready(_: web.Request) -> web.Response:
    return web.Response(text="ready")


async def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/settings", show), web.get("/readyz", ready)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, os.environ["MAGICLINK_OPS_HOST"], int(os.environ["MAGICLINK_OPS_PORT"])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
