"""Rounds, and the modules of rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.house import bench_plan
from bench.load import RanOutError
from bench.results import MeasuredRow
from bench.rounds import measure_row
from bench.row import Contender, Effort, Row, Sample
from bench.rows.supply import Supply
from bench.run import ORDER, ROWS, Ran, groups_of, row_modules, run_modules


class Notebook:
    """Contenders that write down when they were measured."""

    def __init__(self) -> None:
        self.measured: list[tuple[str, float]] = []

    def contender(self, name: str) -> Contender:
        async def measure(effort: Effort) -> Sample:
            self.measured.append((name, effort.seconds))
            return Sample(float(len(self.measured)))

        return Contender(name, measure)

    def row(self, *references: str, rounds: int | None = None) -> Row:
        return Row(
            "row",
            "things/s",
            self.contender("ours"),
            [self.contender(name) for name in references],
            [],
            rounds=rounds,
        )


async def test_rounds_alternate_after_one_that_only_warms_up() -> None:
    notebook = Notebook()
    samples = await measure_row(notebook.row("a", "b"), Effort(6, 10), 2)
    assert notebook.measured == [("ours", 2), ("a", 2), ("b", 2), *[("ours", 6), ("a", 6), ("b", 6)] * 2]
    assert [sample.figure for sample in samples["ours"]] == [4, 7]
    assert [sample.figure for sample in samples["b"]] == [6, 9]


async def test_a_smoke_run_does_not_warm_up() -> None:
    notebook = Notebook()
    await measure_row(notebook.row("a"), Effort(1, 10, smoke=True), 1)
    assert notebook.measured == [("ours", 1), ("a", 1)]


async def test_a_row_of_many_minutes_says_itself_how_often_it_runs() -> None:
    notebook = Notebook()
    await measure_row(notebook.row(rounds=1), Effort(6, 10), 3)
    assert notebook.measured == [("ours", 6)]


async def test_two_contenders_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        await measure_row(Notebook().row("ours"), Effort(1, 1), 1)


def test_every_module_with_rows_is_in_the_order_of_the_page() -> None:
    with_rows = {path.stem for path in ROWS.glob("*.py") if "\nasync def rows(" in path.read_text("utf-8")}
    assert with_rows == set(row_modules())
    assert with_rows <= set(ORDER)


def test_a_smoke_run_shares_a_cluster_among_modules_that_want_the_same_and_leave_it_whole() -> None:
    modules = {name: ModuleType(name) for name in ("a", "b", "c", "d", "e")}
    modules["b"].PLAN = modules["e"].PLAN = bench_plan(notifiers=1)  # type: ignore[attr-defined]
    modules["c"].ALONE = True  # type: ignore[attr-defined]
    assert groups_of(modules, share=True) == [["a", "d"], ["b", "e"], ["c"]]
    assert groups_of(modules, share=False) == [["a"], ["b"], ["c"], ["d"], ["e"]]


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="no rows named nonsense; there are verify, "):
        row_modules(["verify", "nonsense"])


class Prepared:
    """A measurement that needs a number of items, which grows from run to run, and writes down how many it was given."""

    def __init__(self, *needed: int) -> None:
        self.needed = list(needed)
        self.given: list[int] = []

    async def __call__(self, count: int) -> Sample:
        self.given.append(count)
        if count < self.needed[0]:
            raise RanOutError("too few")
        return Sample(self.needed.pop(0) / 6)


async def test_a_supply_learns_from_the_fastest_rate_and_keeps_a_margin() -> None:
    supply, prepared = Supply(10_000), Prepared(12_000, 6_000, 0)
    for _ in range(3):
        await supply.measure(Effort(6, 0), prepared)
    assert prepared.given == [61_000, 31_000, 31_000]


async def test_a_measurement_that_ran_out_is_made_again_with_twice_as_many() -> None:
    supply, prepared = Supply(10_000), Prepared(600, 12_000)
    await supply.measure(Effort(6, 0), prepared)
    assert (await supply.measure(Effort(6, 0), prepared)).figure == 2_000
    assert prepared.given == [61_000, 2_500, 5_000, 10_000, 20_000]


async def test_a_supply_that_runs_out_again_and_again_fails_the_run() -> None:
    prepared = Prepared(1_000_000_000)
    with pytest.raises(RanOutError):
        await Supply(10_000).measure(Effort(6, 0), prepared)
    assert len(prepared.given) == 4


async def test_a_module_that_fails_does_not_cost_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def no_house(*_: Any) -> AsyncIterator[None]:
        yield

    async def fail(_: None) -> list[Row]:
        raise SystemExit("a wrong answer")

    async def rows(_: None) -> list[Row]:
        return [Notebook().row(rounds=1)]

    monkeypatch.setattr("bench.run.open_house", no_house)
    modules = {name: ModuleType(name) for name in ("a", "b", "c")}
    for name, what in (("a", fail), ("b", rows), ("c", fail)):
        modules[name].rows = what  # type: ignore[attr-defined]
    kept: list[MeasuredRow] = []
    with pytest.raises(SystemExit, match=r"failed:\na: a wrong answer\nc: a wrong answer"):
        await run_modules(modules, tmp_path, Ran("2026-01-01", "bench", 1, Effort(1, 1)), kept.extend)
    assert [row.module for row in kept] == ["b"]
