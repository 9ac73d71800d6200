"""What the rounds of a row say: medians, spreads, ratios, and whether a bound was met. No I/O."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.row import Bound, Sample

Samples = Mapping[str, Sequence[Sample]]
"""The samples of each contender by its name, one a round; rounds correspond."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a bound came out. `value` is the ratio of medians, or the figure itself; `spread` is of the rounds' values."""

    bound: Bound
    value: float
    spread: Spread
    outcome: Literal["aim met", "met", "missed"]

    @property
    def missed_by(self) -> float:
        """How much is lacking, as a share of the bound: 0.1 is ten per cent; 0 when it was met."""
        lacking = self.value - self.bound.must if self.bound.at_most else self.bound.must - self.value
        return max(0.0, lacking / self.bound.must)


def spread_of(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def values_of(samples: Sequence[Sample], of: str = "figure") -> list[float]:
    """Return the figure of each sample, or a percentile of its latencies. Raises `KeyError` naming one that is not there."""
    return [sample.figure if of == "figure" else sample.latencies_ms[of] for sample in samples]


def ratios(ours: Sequence[float], references: Sequence[float]) -> Spread:
    """Return the ratio of the medians, with the spread of the rounds' own ratios."""
    each = [ours / reference for ours, reference in zip(ours, references, strict=True)]
    return Spread(statistics.median(ours) / statistics.median(references), min(each), max(each))


def verdict(bound: Bound, ours: str, samples: Samples) -> Verdict:
    """Hold a bound against the samples of the contender `ours` and of the reference that it names."""
    values = values_of(samples[ours], bound.of)
    if bound.against is None:
        found = spread_of(values)
    else:
        found = ratios(values, values_of(samples[bound.against], bound.of))
    return Verdict(bound, found.median, found, _outcome(bound, found.median))


def _outcome(bound: Bound, value: float) -> Literal["aim met", "met", "missed"]:
    for wanted, outcome in ((bound.aim, "aim met"), (bound.must, "met")):
        if value <= wanted if bound.at_most else value >= wanted:
            return "aim met" if outcome == "aim met" else "met"
    return "missed"
