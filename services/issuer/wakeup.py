"""Wakes the relays when another process rings the outbox bell: LISTEN on a connection of its own."""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import structlog

from shared.database import CONNECT_TIMEOUT_SECONDS, is_away
from shared.outbox import RELAY_LANES, WAKE_CHANNEL, Wake

log = structlog.get_logger()

_RETRY_SECONDS = 1.0


async def listen_for_bell(database_url: str, wake: Wake) -> None:
    """Call `wake` with the lanes of each NOTIFY, until cancelled. While the connection is away the relays' own poll serves."""
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
            await connection.add_listener(WAKE_CHANNEL, _hearing(wake))
            wake(RELAY_LANES)  # whatever was rung while nobody listened
            await lost.wait()
            log.warning("listen_connection_lost")
        finally:
            connection.terminate()


def _hearing(wake: Wake) -> Callable[..., None]:
    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        wake(_lanes(str(payload)))

    return hear


def _lanes(payload: str) -> Sequence[str]:
    """Return the lanes that a NOTIFY names; all of them if it speaks of none we know, as another release may."""
    return [lane for lane in payload.split(",") if lane in RELAY_LANES] or RELAY_LANES
