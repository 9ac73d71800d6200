"""Rounds, and the modules of rows."""

from types import ModuleType

import pytest

from bench.house import bench_plan
from bench.rounds import measure_row
from bench.row import Contender, Effort, Row, Sample
from bench.rows.supply import Supply
from bench.run import ORDER, ROWS, groups_of, row_modules


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


def test_a_supply_learns_from_the_fastest_rate_and_keeps_a_margin() -> None:
    supply = Supply(10_000)
    assert supply.wanted(Effort(6, 0)) == 61_000
    supply.learn(2_000)
    supply.learn(1_000)
    assert supply.wanted(Effort(6, 0)) == 31_000
