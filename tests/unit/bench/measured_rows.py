"""Rows as if they were measured."""

from typing import Any

from bench.results import MeasuredRow
from bench.row import Bound, Sample

PERCENTILES = {f"p{percent:g}": float(percent) for percent in (1, 10, 25, 50, 75, 90, 95, 99, 99.9)}


def samples(*figures: float, **percentiles: float) -> list[Sample]:
    return [Sample(figure, percentiles, cpu_us=1e6 / figure) for figure in figures]


def row(**changes: Any) -> MeasuredRow:
    """Return a row of 800 requests a second against a reference of 1,000."""
    values: dict[str, Any] = {
        "name": "verify, no JWT",
        "module": "verify",
        "unit": "requests/s",
        "ours": "ours",
        "references": ["batched"],
        "bounds": [Bound(0.7, 0.85, "batched")],
        "note": "Each token once.",
        "samples": {"ours": samples(700, 800, 900, **PERCENTILES), "batched": samples(1000, 1000, 1000)},
        "at": "2030-01-01",
        "command": "python -m bench",
        "seconds": 12.5,
    }
    return MeasuredRow(**{**values, **changes})
