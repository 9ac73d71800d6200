"""What was measured, kept as JSON: the page and the charts are made from it, and a partial run replaces its own rows only."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import Samples, Verdict, verdict
from bench.row import Bound, Row, Sample


class OtherMachine(SystemExit):
    """The results at hand are of another machine; figures of two machines do not go into one table."""


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """A row with its samples: what was compared, and every round of it."""

    name: str
    module: str
    unit: str
    ours: str
    references: Sequence[str]
    bounds: Sequence[Bound]
    note: str
    samples: Samples
    at: str
    """When, as an ISO date."""
    command: str
    seconds: float

    @property
    def verdicts(self) -> list[Verdict]:
        return [verdict(bound, self.ours, self.samples) for bound in self.bounds]


@dataclass(slots=True)
class Results:
    """All rows by name, in the order of the page, and the machine and versions they were measured with."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    rows: dict[str, MeasuredRow] = field(default_factory=dict)

    def merge(self, newer: "Results", order: Sequence[str]) -> "Results":
        """Return these with the rows of the modules that `newer` measured in the place of their earlier ones.

        `order` is that of the modules. Raises `OtherMachine`.
        """
        if self.machine != newer.machine:
            raise OtherMachine(
                "the results in this folder are of another machine: choose another folder with --out, or run every row"
            )
        again = {row.module for row in newer.rows.values()}
        kept = [row for row in self.rows.values() if row.module not in again]
        rows = sorted([*kept, *newer.rows.values()], key=lambda row: _place(row.module, order))
        return Results(newer.machine, {**self.versions, **newer.versions}, {row.name: row for row in rows})


def measured(row: Row, module: str, samples: Samples, ran: Mapping[str, Any]) -> MeasuredRow:
    """Return a row with its samples. `ran` holds `at`, `command` and `seconds`."""
    names = [reference.name for reference in row.references]
    return MeasuredRow(row.name, module, row.unit, row.ours.name, names, row.bounds, row.note, samples, **ran)


def write_results(path: Path, results: Results) -> None:
    told = {
        "machine": results.machine,
        "versions": results.versions,
        "rows": [_told(row) for row in results.rows.values()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, default=str) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Read what `write_results` wrote. Raises `FileNotFoundError`."""
    told = json.loads(path.read_text(encoding="utf-8"))
    rows = [_read(row) for row in told["rows"]]
    return Results(told["machine"], told["versions"], {row.name: row for row in rows})


def missed(rows: Iterable[MeasuredRow]) -> list[str]:
    """Return the names of rows that do not reach what they must."""
    return [row.name for row in rows if any(found.outcome == "missed" for found in row.verdicts)]


def _place(module: str, order: Sequence[str]) -> int:
    return order.index(module) if module in order else len(order)


def _told(row: MeasuredRow) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in MeasuredRow.__slots__}
    told["bounds"] = [asdict(bound) for bound in row.bounds]
    told["samples"] = {
        name: [
            {
                "figure": sample.figure,
                "cpu_us": sample.cpu_us,
                "latencies_ms": dict(sample.latencies_ms),
                "series": {title: list(numbers) for title, numbers in sample.series.items()},
            }
            for sample in samples
        ]
        for name, samples in row.samples.items()
    }
    return told


def _read(told: dict[str, Any]) -> MeasuredRow:
    bounds = [Bound(**bound) for bound in told["bounds"]]
    samples = {name: [Sample(**sample) for sample in found] for name, found in told["samples"].items()}
    return MeasuredRow(**{**told, "bounds": bounds, "samples": samples})
