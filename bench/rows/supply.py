"""How many tokens, addresses and the like a measurement needs so that none is used twice and none is lacking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.load import RanOutError
from bench.row import Effort, Sample

# First guesses, well above what was ever measured; where an item may come again, a higher one costs nothing.
FIRST_PER_CONNECTION = 200
MANY_PER_SECOND = 40_000
_SINGLE_LEAST = 2_000
# Rounds differ: one of a row's first may be half as fast as the next.
_MARGIN = 2.5
_TRIES = 4


@dataclass(slots=True)
class Supply:
    """Guesses high the first time, then from the fastest rate seen."""

    first_per_second: float
    fastest_per_second: float = 0.0

    async def measure(self, effort: Effort, attempt: Callable[[int], Awaitable[Sample]]) -> Sample:
        """Return the sample of `attempt(how many to prepare)`. Where they ran out it does not count, and is made again with twice as many.

        A machine that was busy during the round before is several times as fast in the next.
        """
        wanted = self._wanted(effort)
        for _ in range(_TRIES - 1):
            try:
                return self._learnt(await attempt(wanted))
            except RanOutError:
                wanted *= 2
        return self._learnt(await attempt(wanted))

    def _wanted(self, effort: Effort) -> int:
        # A second at least, as wrk has it.
        rate = self.fastest_per_second * _MARGIN or max(self.first_per_second, _SINGLE_LEAST)
        return round(rate * max(1.0, effort.seconds)) + 1_000

    def _learnt(self, sample: Sample) -> Sample:
        self.fastest_per_second = max(self.fastest_per_second, sample.figure)
        return sample
