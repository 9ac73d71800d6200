"""Link requests from Kafka that come again later: how long they wait, and the record that brings them back."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from shared.consumer import Record, request_id_of
from shared.dead_letters import storable_text
from shared.errors import RateLimited

_TIMES: Final = "postponed"
_FIRST_SECONDS: Final = 5.0
_MOST_SECONDS: Final = 900.0
# About 30 days of such pauses. An event without a time never grows too old: without this an app that always asks for more than
# its hours allow would have a heap of requests that grows for ever.
_MOST_TIMES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Postponed:
    """A record and the pause after which it is due again."""

    record: Record
    pause_seconds: float

    @property
    def key(self) -> str:
        return storable_text(self.record.key)

    @property
    def headers(self) -> str:
        """The headers of the record that comes back, as JSON: they count how often it came."""
        times = str(_times(self.record) + 1)
        return orjson.dumps({"x-request-id": request_id_of(self.record), _TIMES: times}).decode()


def pause_seconds(record: Record, refusal: RateLimited, jitter: Callable[[], float] = random.random) -> float:
    """Return how long a record waits: what the limit asks for at least, doubling each time, half of it random.

    Of thousands that wait for one number's bucket one gets its token: the others must not all ask again at that moment.
    """
    doubled = min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(_times(record), 10))
    return max(doubled, refusal.retry_after_seconds or 0.0) * (1.0 + jitter())


def waited_too_long(record: Record) -> bool:
    """Say whether a record has come back so often that it is to be put aside."""
    return _times(record) >= _MOST_TIMES


def _times(record: Record) -> int:
    given = (dict(record.headers or ()).get(_TIMES) or b"").decode("ascii", "replace")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 6 else 0
