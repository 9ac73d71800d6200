"""Wakes the relays when another process rings the outbox bell: LISTEN on a connection of its own."""

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from shared.database import CONNECT_TIMEOUT_SECONDS, is_away
from shared.outbox import WAKE_CHANNEL

log = structlog.get_logger()

_RETRY_SECONDS = 1.0


async def listen_for_bell(database_url: str, wake: Callable[[], None]) -> None:
    """Call `wake` at each NOTIFY, until cancelled. While the connection is away the relays' own poll serves."""
    while True:
        lost = asyncio.Event()
        try:
            connection = await asyncpg.connect(
                database_url,
                timeout=CONNECT_TIMEOUT_SECONDS,
                server_settings={"application_name": "magiclink-issuer-listen"},
            )
        except Exception as error:
            if not is_away(error):
                raise
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        try:
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            await connection.add_listener(WAKE_CHANNEL, lambda *_: wake())
            wake()  # whatever was rung while nobody listened
            await lost.wait()
            log.warning("listen_connection_lost")
        finally:
            connection.terminate()
