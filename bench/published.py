"""The folder that a run publishes into: results.json, and the page and charts that are made from it."""

from collections.abc import Sequence
from pathlib import Path

from bench.charts import charts
from bench.machine import machine, versions
from bench.page import page
from bench.results import MeasuredRow, Results, read_results, write_results
from bench.run import ORDER


class Published:
    """What stands in the folder `out`. Written whenever the rows of a module are done: an hour later another module may fail.

    `anew`: what is there goes when the first rows come. Raises `OtherMachine` at once for rows that could not stand beside what is there.
    """

    def __init__(self, out: Path, *, anew: bool) -> None:
        self._out = out
        self._path = results_path(out)
        self._anew = anew
        self._merged(())

    def add(self, rows: Sequence[MeasuredRow]) -> None:
        """Put these rows in the place of their module's earlier ones."""
        results = self._merged(rows)
        self._anew = False
        write_results(self._path, results)
        publish(results, self._out)

    def _merged(self, rows: Sequence[MeasuredRow]) -> Results:
        results = Results(machine(), versions(), {row.name: row for row in rows})
        if self._anew or not self._path.exists():
            return results
        return read_results(self._path).merge(results, ORDER)


def results_path(out: Path) -> Path:
    """Return where the results of a folder are kept."""
    return out / "benchmarks" / "results.json"


def publish(results: Results, out: Path) -> None:
    """Write the page, and the charts beside it, anew."""
    folder = out / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = charts(results)
    for stale in folder.glob("*.svg"):
        stale.unlink()
    for name, chart in drawn.items():
        (folder / name).write_bytes(chart)
    (out / "benchmarks.md").write_text(page(results, list(drawn)), encoding="utf-8")
