"""A service without a database, for tests of workers: `worker_stand_in.py [parent COUNT HTTP_PORT OPS_PORT]`.

It answers with its process id and with the word it read from the file STAND_IN_WORD at its start; without a word it does not start. Between
reading and serving it takes STAND_IN_SECONDS.
"""

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web

from shared.http.edge import Edge
from shared.http.ops import Health
from shared.http.routes import Call, Public, Route, json_response
from shared.lifecycle import Service, run_service
from shared.settings import ServiceSettings
from shared.workers import run_workers


class Open:
    """A limit that nobody reaches."""

    async def take(self, who: str, tokens: int = 1) -> None:
        return


def settings(http_port: int = 0, ops_port: int = 0) -> ServiceSettings:
    made: ServiceSettings = ServiceSettings.model_construct(
        log_level="info", log_format="json", http_host="127.0.0.1", http_port=http_port, ops_host="127.0.0.1",
        ops_port=ops_port, drain_seconds=5.0,
    )  # fmt: skip
    return made


def read_word() -> str:
    return Path(os.environ["STAND_IN_WORD"]).read_text(encoding="utf-8")


async def start(service: Service) -> None:
    word = read_word()
    Path(os.environ["STAND_IN_WORD"]).with_name("started").touch()
    await asyncio.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))

    async def answer(call: Call) -> web.Response:
        await asyncio.sleep(float(call.request.query.get("seconds", "0")))
        return json_response({"pid": os.getpid(), "word": word})

    edge = Edge(api_keys=None, address_limit=Open(), key_limit=Open(), request_timeout_seconds=15)
    await service.serve(edge.application([Route("POST", "/", answer, Public("a test"))]), Health({}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["parent"]:
        count, http_port, ops_port = map(int, sys.argv[2:])
        sys.exit(run_workers("stand-in", settings(http_port, ops_port), [sys.executable, __file__], count))
    if not read_word():
        sys.exit(2)
    sys.exit(run_service("stand-in", settings(), start))
