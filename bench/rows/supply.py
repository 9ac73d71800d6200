"""How many tokens, addresses and the like a measurement needs so that none is used twice and none is lacking."""

from dataclasses import dataclass

from bench.row import Effort

# First guesses, well above what was ever measured; where an item may come again, a higher one costs nothing.
FIRST_PER_CONNECTION = 200
MANY_PER_SECOND = 40_000
_SINGLE_LEAST = 2_000
# Rounds differ: one of a row's first may be half as fast as the next.
_MARGIN = 2.5


@dataclass(slots=True)
class Supply:
    """Guesses high the first time, then from the fastest rate seen."""

    first_per_second: float
    fastest_per_second: float = 0.0

    def wanted(self, effort: Effort) -> int:
        """Return how many to prepare for this many seconds of load, a second at least as wrk has it."""
        rate = self.fastest_per_second * _MARGIN or max(self.first_per_second, _SINGLE_LEAST)
        return round(rate * max(1.0, effort.seconds)) + 1_000

    def learn(self, per_second: float) -> None:
        self.fastest_per_second = max(self.fastest_per_second, per_second)
