"""What a row of the benchmark is: one path of ours, the references beside it, and how near it must come to them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Effort:
    """How much one measurement costs: seconds of load, and how many things where they are counted. `smoke`: only whether it works."""

    seconds: float
    count: int
    smoke: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: the figure in the row's unit, latencies in milliseconds by percentile (`p50`, `p99` …) where there are any."""

    figure: float
    latencies_ms: Mapping[str, float] = field(default_factory=dict)
    cpu_us: float | None = None
    """CPU time of the measured process per thing done, in microseconds: it tells more than the clock on a noisy machine."""
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Numbers for a chart, all of one length: `offered_per_second`, `accepted_per_second`. The first is the x axis; names that end in
    `_ms` have a chart of their own. The last round's are drawn."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that is measured, ours or a reference. `measure` raises `SystemExit` when an answer is not what it must be."""

    name: str
    measure: Callable[[Effort], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a row must reach, and what it aims at.

    `against` names the reference whose figure ours is divided by; None: ours counts by itself. `of`: the figure, or a percentile.
    `at_most`: smaller is better, as with latencies and memory.
    """

    must: float
    aim: float
    against: str | None = None
    of: Literal["figure", "p50", "p99"] = "figure"
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. Rounds alternate between `ours` and the references, so that a machine that is busy is busy for all."""

    name: str
    unit: str
    ours: Contender
    references: Sequence[Contender]
    bounds: Sequence[Bound]
    note: str = ""
    """What is done and what is left out, in a sentence or two, for the page under the table."""
    rounds: int | None = None
    """Fewer rounds than the others, for a measurement of many minutes."""
