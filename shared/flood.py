"""The flood limit (DESIGN §5): a consumer that puts aside too much stops reading, so that a bad deploy cannot dead-letter a topic.

What it has not read stays in Kafka. The bucket refills, so it goes on slowly: after the mistake is mended nothing is lost,
and what was put aside meanwhile is few enough to replay.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.clock import Clock, monotonic
from shared.metrics import CONSUMER_STOPPED

log = structlog.get_logger()

_LOOK_AGAIN_SECONDS = 60.0


class DeadLetterFlood(Exception):  # noqa: N818 - its name is what `/readyz` shows
    """Too many records of a topic were put aside: its consumer waits."""


class FloodLimit:
    """How many records a process may put aside of one topic: `per_minute`, and as many at once.

    A batch is handled as a whole, so the limit may be passed by one batch; the consumer then waits until that is made good.
    """

    def __init__(
        self,
        topic: str,
        per_minute: int,
        clock: Clock = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.per_minute = per_minute
        self._topic = topic
        self._clock = clock
        self._sleep = sleep
        self._left = float(per_minute)
        self._counted_at = clock()
        self._stopped = CONSUMER_STOPPED.labels(topic=topic)

    def count(self, put_aside: int) -> None:
        """Take note of what a batch put aside, after its transaction."""
        self._refill()
        self._left -= put_aside

    async def pass_on(self) -> None:
        """Return at once, or when the flood is over. Call before reading on."""
        self._refill()
        if self._left > 0:
            return
        self._stopped.set(1)
        try:
            while self._left <= 0:
                log.error("dead_letter_flood", topic=self._topic, per_minute=self.per_minute)
                await self._sleep(min(self._seconds_to_one(), _LOOK_AGAIN_SECONDS))
                self._refill()
        finally:
            self._stopped.set(0)
        log.warning("consumer_reads_on", topic=self._topic)

    async def check(self) -> None:
        """Raise `DeadLetterFlood` while the consumer waits. For `/readyz`."""
        self._refill()
        if self._left <= 0:
            raise DeadLetterFlood

    def _seconds_to_one(self) -> float:
        return (1 - self._left) * 60 / self.per_minute

    def _refill(self) -> None:
        now = self._clock()
        earned = (now - self._counted_at) * self.per_minute / 60
        self._left = min(float(self.per_minute), self._left + earned)
        self._counted_at = now
