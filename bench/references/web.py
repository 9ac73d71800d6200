"""The HTTP references: aiohttp on uvloop, one process, and as little behind a request as its mode names.

    python -m bench.references.web --mode batched --port 8080 --redis URL --database URL

It has our Python, libraries and stores, and leaves out everything else: no API key, no limit, no metrics, no log, no validation.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import redis.asyncio
import uvloop
from aiohttp import web

from shared.batching import Batcher
from shared.tokens import new_link_id

Handler = Callable[[web.Request], Awaitable[web.Response]]

CLAIM = Path(__file__).parents[2] / "shared" / "lua" / "claim.lua"
LEASE_MS = 3_000
POOL_SIZE = 8
TABLE = "bench_inserted"
_INSERT = f"INSERT INTO {TABLE} (id, words, at) VALUES ($1, $2, $3)"  # noqa: S608 - a constant
_INSERT_MANY = (
    f"INSERT INTO {TABLE} (id, words, at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])"  # noqa: S608
)
_WORDS = "x" * 100


class Redis:
    """One EVALSHA of the claim's script on a key of its own: a round trip each, or batched."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(url)
        self._sha = ""
        self.batched: Batcher[UUID, Any] = Batcher("reference-claims", self._many)

    async def open(self) -> None:
        self._sha = await self._client.script_load(CLAIM.read_text(encoding="utf-8"))

    async def one(self, link_id: UUID) -> None:
        await self._client.evalsha(self._sha, 1, *_claim(link_id))

    async def _many(self, link_ids: list[UUID]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for link_id in link_ids:
            pipeline.execute_command("EVALSHA", self._sha, 1, *_claim(link_id))
        return list(await pipeline.execute())


class Database:
    """One row: an INSERT and a commit each, or batched into one statement."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self.batched: Batcher[UUID, None] = Batcher("reference-inserts", self._many)

    async def one(self, row_id: UUID) -> None:
        await self._pool.execute(_INSERT, row_id, _WORDS, datetime.now(UTC))

    async def _many(self, row_ids: list[UUID]) -> list[None]:
        now = datetime.now(UTC)
        await self._pool.execute(_INSERT_MANY, row_ids, [_WORDS] * len(row_ids), [now] * len(row_ids))
        return [None] * len(row_ids)


async def handler_of(mode: str, redis_url: str, database_url: str) -> Handler:
    """Return what a mode does for each request."""
    if mode == "bare":
        return _answer
    if mode == "insert":
        database = Database(await asyncpg.create_pool(database_url, min_size=POOL_SIZE, max_size=POOL_SIZE))
        return _after(database.one)
    claims = Redis(redis_url)
    await claims.open()
    if mode == "evalsha":
        return _after(claims.one)
    if mode == "evalsha-batched":
        return _after(claims.batched.submit)
    rows = Database(await asyncpg.create_pool(database_url, min_size=POOL_SIZE, max_size=POOL_SIZE))

    async def both(row_id: UUID) -> None:
        await claims.batched.submit(row_id)
        await rows.batched.submit(row_id)

    return _after(both)


async def serve(mode: str, port: int, redis_url: str, database_url: str) -> None:
    """Serve until the process ends."""
    app = web.Application()
    app.router.add_get("/", await handler_of(mode, redis_url, database_url))
    app.router.add_get("/readyz", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def _after(work: Callable[[UUID], Awaitable[Any]]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        await work(new_link_id())
        return await _answer(request)

    return handler


async def _answer(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "words": _WORDS})


def _claim(link_id: UUID) -> tuple[str, str, int]:
    return f"bench:{{{link_id}}}", str(link_id), LEASE_MS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--mode", choices=("bare", "evalsha", "evalsha-batched", "insert", "batched"), required=True
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", default="")
    parser.add_argument("--database", default="")
    asked = parser.parse_args()
    uvloop.run(serve(asked.mode, asked.port, asked.redis, asked.database))


if __name__ == "__main__":
    main()
