"""Tells product services of passcodes that were refused: `magiclink.passcode.refused.v1`, in the background.

Not within the try's own statement: there the passcode has not been compared yet. And not in a second one that the guesser would wait
for: it would tell them by its time that there is a link (G7). What waits here outlives an outage of the database, not a crash.
"""

import asyncio
from typing import Final

import structlog

from services.verifier.passcode_store import PasscodeStore, RefusedTry
from shared.database import Row, is_away
from shared.outbox import OutboxBell

log = structlog.get_logger()

FLUSH_SECONDS: Final = 1.0
MOST_WAITING: Final = 5_000


class Refusals:
    """Keeps refused tries until the next flush."""

    def __init__(self, store: PasscodeStore, bell: OutboxBell) -> None:
        self._store = store
        self._bell = bell
        self._waiting: list[RefusedTry] = []

    def tell(self, counted: Row, request_id: str) -> None:
        """Keep a counted try that was wrong. Never waits, never fails; what comes again of the same attempt has been told."""
        if counted["asks_again"]:
            return
        if len(self._waiting) >= MOST_WAITING:
            log.warning("refusal_not_told", link_id=str(counted["id"]))
            return
        self._waiting.append(
            RefusedTry(
                counted["id"],
                counted["app_id"],
                counted["user_id"],
                counted["passcode_tries"],
                counted["tried_at"],
                request_id,
            )
        )

    async def run(self) -> None:
        """Write what waits, once a second, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits in one statement; while the database is away it goes on waiting."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            await self._store.tell_refused(waiting)
        except Exception as error:
            if not is_away(error):
                raise
            # The statement may have done its work: the events have the same ids then.
            self._waiting = (waiting + self._waiting)[:MOST_WAITING]
        else:
            self._bell.ring()
