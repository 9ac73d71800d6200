"""Results: kept whole, and replaced by the module."""

from pathlib import Path

import pytest

from bench.results import MeasuredRow, OtherMachine, Results, missed, read_results, write_results
from bench.row import Bound, Sample
from tests.unit.bench.measured_rows import row, samples

MACHINE = {"CPU": "fast", "cores": "2"}


def results(*rows: MeasuredRow, **versions: str) -> Results:
    return Results(MACHINE, versions, {found.name: found for found in rows})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    series = {"offered_per_second": [1.0, 2.0], "accepted_p99_ms": [3.0, 4.0]}
    measured = row(samples={"ours": [Sample(1.5, {"p50": 2.0}, 3.5, series)], "batched": samples(2)})
    write_results(tmp_path / "new" / "results.json", results(measured, wrk="4.1"))
    read = read_results(tmp_path / "new" / "results.json")
    assert read.rows == {measured.name: measured}
    assert (read.machine, read.versions) == (MACHINE, {"wrk": "4.1"})


def test_a_partial_run_replaces_the_rows_of_its_modules_only() -> None:
    earlier = results(
        row(name="verify, no JWT"),
        row(name="verify, gone"),
        row(name="issue", module="issue", note="earlier"),
        wrk="4.0",
    )
    newer = results(row(name="verify, no JWT", note="newer"), wrk="4.1", aiohttp="3")
    merged = earlier.merge(newer, ["issue", "verify"])
    assert list(merged.rows) == ["issue", "verify, no JWT"]
    assert [found.note for found in merged.rows.values()] == ["earlier", "newer"]
    assert merged.versions == {"wrk": "4.1", "aiohttp": "3"}


def test_figures_of_two_machines_never_meet() -> None:
    with pytest.raises(OtherMachine, match="another machine"):
        results(row()).merge(Results({"CPU": "slow", "cores": "2"}, {}, {}), [])


def test_rows_that_fall_short_are_named() -> None:
    good, bad = row(), row(name="slow", bounds=[Bound(0.7, 0.8, "batched"), Bound(0.9, 0.95, "batched")])
    assert missed([good, bad]) == ["slow"]
