"""Statistics and verdicts."""

import pytest

from bench.figures import Spread, ratios, spread_of, values_of, verdict
from bench.row import Bound, Sample
from tests.unit.bench.measured_rows import samples


def test_a_figure_is_the_median_of_the_rounds_with_the_lowest_and_highest() -> None:
    assert spread_of([3, 1, 2]) == Spread(2, 1, 3)


def test_a_ratio_is_of_medians_and_its_spread_of_the_rounds_own_ratios() -> None:
    # A round in which the machine was slow for both says the same as the others.
    assert ratios([80, 40, 90], [100, 50, 90]) == Spread(80 / 90, 0.8, 1.0)


def test_rounds_that_do_not_correspond_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])


@pytest.mark.parametrize(
    ("figure", "outcome", "missed_by"),
    [(69, "missed", 0.01 / 0.7), (70, "met", 0.0), (84, "met", 0.0), (85, "aim met", 0.0)],
)
def test_a_bound_is_missed_met_or_more(figure: float, outcome: str, missed_by: float) -> None:
    found = verdict(Bound(0.7, 0.85, "batched"), "ours", {"ours": samples(figure), "batched": samples(100)})
    assert found.outcome == outcome
    assert found.missed_by == pytest.approx(missed_by)


@pytest.mark.parametrize(("p99", "outcome"), [(5.1, "missed"), (5.0, "met"), (3.0, "aim met")])
def test_of_latencies_less_is_better(p99: float, outcome: str) -> None:
    bound = Bound(5, 3, of="p99", at_most=True)
    assert verdict(bound, "ours", {"ours": samples(1000, p99=p99)}).outcome == outcome


def test_latencies_over_the_bound_are_told_as_a_share_of_it() -> None:
    found = verdict(Bound(5, 3, of="p99", at_most=True), "ours", {"ours": samples(1, p99=6.0)})
    assert found.missed_by == pytest.approx(0.2)


def test_a_percentile_that_was_not_measured_is_an_error() -> None:
    with pytest.raises(KeyError, match="p99"):
        values_of([Sample(1)], "p99")
