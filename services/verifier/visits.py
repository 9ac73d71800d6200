"""Who looked at a link: sampled telemetry for its timeline, never state (DESIGN §4).

Noting costs a page nothing: visits wait in memory, and a task writes them in the background. What does not fit is dropped and counted.
Visits hold no address and no User-Agent, only which kind of visitor it was.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import structlog

from services.verifier.store import NotedVisit, VerifierStore
from services.verifier.visitors import Visitor
from shared.clock import Clock, monotonic
from shared.database import is_away
from shared.metrics import VISITS_DROPPED

log = structlog.get_logger()

FLUSH_SECONDS = 1.0
# What waits at most: in all, and of one link, so that a storm on one does not push out all others.
MOST_WAITING = 5_000
MOST_OF_A_LINK = 20
_DROPPED = VISITS_DROPPED.labels(reason="full")


class Visit(NamedTuple):
    """A look at a link's page, or a refused attempt on it (`detail`: the refusal's code).

    `app_id` None: a browser. An app notes nothing on links of another app: such a visit is not written.
    """

    link_id: UUID
    event: Literal["visited", "refused"]
    visitor: Visitor
    detail: str | None = None
    app_id: UUID | None = None


Note = Callable[[Visit], None]


class Visits:
    """Keeps visits until the next flush."""

    def __init__(self, store: VerifierStore, clock: Clock = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[UUID, list[tuple[float, Visit]]] = {}
        self._count = 0
        self._failing = False

    def note(self, visit: Visit) -> None:
        """Keep a visit for the next flush, or drop it. Never waits, never fails."""
        of_link = self._waiting.setdefault(visit.link_id, []) if self._count < MOST_WAITING else None
        if of_link is None or len(of_link) >= MOST_OF_A_LINK:
            _DROPPED.inc()
            return
        of_link.append((self._clock(), visit))
        self._count += 1

    async def run(self) -> None:
        """Write what waits, once a second, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits in one statement. A failure drops it, and is logged when failing begins: nothing depends on it."""
        waiting, self._waiting, self._count = self._waiting, {}, 0
        # The database's clock dates the visits; ours says only how long they waited here.
        now = self._clock()
        noted = [
            NotedVisit(
                visit.link_id, visit.app_id, visit.event, visit.visitor, visit.detail, max(0.0, now - at)
            )
            for of_link in waiting.values()
            for at, visit in of_link
        ]
        if not noted:
            return
        try:
            await self._store.write_visits(noted)
        except Exception as error:
            # Telemetry must not stop a verifier because of the database, whatever ails that.
            if not (is_away(error) or isinstance(error, asyncpg.PostgresError)):
                raise
            VISITS_DROPPED.labels(reason="database").inc(len(noted))
            if not self._failing:
                log.warning("visits_not_written", visits=len(noted), cause=type(error).__name__)
            self._failing = True
        else:
            self._failing = False


def note_nothing(_visit: Visit) -> None:
    """A note that nobody keeps."""
