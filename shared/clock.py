"""Time as an argument: pure code is given a clock, SQL asks the database (DESIGN §10 rule 9)."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds; `monotonic` for measuring, `wall` for dates."""

monotonic: Clock = time.monotonic
wall: Clock = time.time
