"""Who may be posted to now, and when else: one receiver that is slow or dead must cost the others nothing.

Known to this replica alone, and forgotten with it: wrong only for a while.
"""

from collections import Counter
from uuid import UUID

from shared.clock import Clock, monotonic

PLACES_AN_ENDPOINT = 8
PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 3600.0


class Pace:
    """Counts what is under way to each endpoint, and how long there has been more than it takes."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._busy: Counter[UUID] = Counter()
        self._failing: set[UUID] = set()
        # Since when, and until when it counts as so without more being put off.
        self._behind: dict[UUID, tuple[float, float]] = {}

    def enter(self, endpoint_id: UUID) -> bool:
        """Take a place if the endpoint has one: it has eight, or one while its last answer was bad; give it back by `leave`."""
        most = 1 if endpoint_id in self._failing else PLACES_AN_ENDPOINT
        if self._busy[endpoint_id] >= most:
            return False
        self._busy[endpoint_id] += 1
        return True

    def leave(self, endpoint_id: UUID) -> None:
        self._busy[endpoint_id] -= 1
        if self._busy[endpoint_id] <= 0:
            del self._busy[endpoint_id]

    def answered(self, endpoint_id: UUID, *, ok: bool) -> None:
        """Note how the last post ended."""
        (self._failing.discard if ok else self._failing.add)(endpoint_id)

    def pause_seconds(self, endpoint_id: UUID) -> float:
        """Return how long to put off what found no place: as long again as the endpoint has been behind.

        Else a backlog would go round every few seconds, all of it, and be the only thing that anybody is busy with.
        """
        now = self._clock()
        self._forget(now)
        since, _ = self._behind.get(endpoint_id, (now, now))
        pause = min(max(now - since, PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        self._behind[endpoint_id] = (since, now + 2 * pause)
        return pause

    def _forget(self, now: float) -> None:
        for endpoint_id, (_, until) in [*self._behind.items()]:
            if until < now:
                del self._behind[endpoint_id]
