"""docs/benchmarks.md from the results. No I/O."""

from collections.abc import Sequence

from bench.figures import Spread, Verdict, ratios, spread_of, values_of
from bench.results import MeasuredRow, Results
from bench.row import Bound

_HEAD = """# Benchmarks

Written by `python -m bench` from what it measured; do not edit. How it works, and how to run it: [bench/README.md](../bench/README.md).
Each figure is the median of the rounds, with the lowest and highest of them; ratios are of medians, with the spread of the rounds' own ratios. Rounds
alternate between ours and the references. PostgreSQL runs with fsync and synchronous_commit on, Kafka with acks=all, the services as shipped: metrics, request
ids and logs on. Load comes from wrk on one thread, with 64 connections unless a row says otherwise, on the same cores.
"""
_REFERENCES = """## References

One aiohttp process on uvloop with our Python and libraries, asked by a plain GET, and nothing but this behind a request (`bench/references/web.py`):

| reference | what it does for a request |
|---|---|
| `bare` | answers a constant JSON |
| `evalsha` | one EVALSHA of `claim.lua`, a round trip each |
| `evalsha-batched` | the same, in pipelines that form by themselves |
| `insert` | one INSERT of a row with three columns, autocommit, over a pool of 8 connections |
| `batched` | a batched EVALSHA, then a batched INSERT: the ceiling of this design in Python |

The other references are programs of `bench/references`, described with their rows.
"""


def page(results: Results, charts: Sequence[str]) -> str:
    """Return the page; `charts` are the names of the files beside it in `benchmarks/`."""
    rows = list(results.rows.values())
    parts = [_HEAD, "## Results\n", table(rows), _notes(rows), _REFERENCES]
    if charts:
        parts += [
            "## Charts\n",
            "\n\n".join(f"![{name.removesuffix('.svg')}](benchmarks/{name})" for name in charts) + "\n",
        ]
    parts += ["## Machine and versions\n", _facts({**results.machine, **results.versions}), _runs(rows)]
    return "\n".join(parts)


def table(rows: Sequence[MeasuredRow]) -> str:
    """Return the table in Markdown: a line a bound, or one line for a row without bounds."""
    lines = [
        "| path | ours | reference | ratio | must | aim | verdict | CPU µs each |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines += _lines(row)
    return "\n".join(lines) + "\n"


def _lines(row: MeasuredRow) -> list[str]:
    judged = row.verdicts
    unjudged = [name for name in row.references if name not in {found.bound.against for found in judged}]
    cells = [_judged(row, found) for found in judged]
    if not cells and not unjudged:
        cells = [["", "", "", "", ""]]
    cells += [[_figure(row, name), _ratio(row, name), "", "", ""] for name in unjudged]
    ours, cpu = _figure(row, row.ours, named=False), _cpu(row)
    first = [f"| {' | '.join([row.name, ours, *cells[0], cpu])} |"]
    return first + [f"| {' | '.join(['', '', *more, ''])} |" for more in cells[1:]]


def _judged(row: MeasuredRow, found: Verdict) -> list[str]:
    against = found.bound.against
    reference = "" if against is None else _figure(row, against, of=found.bound.of)
    if against is None:
        ratio = "" if found.bound.of == "figure" else f"{found.bound.of}: {_spread(found.spread)} ms"
    else:
        ratio = _spread(found.spread)
    verdict = f"**missed by {found.missed_by:.0%}**" if found.outcome == "missed" else found.outcome
    return [
        reference,
        ratio,
        _limit(found.bound, found.bound.must),
        _limit(found.bound, found.bound.aim),
        verdict,
    ]


def _limit(bound: Bound, value: float) -> str:
    return f"{'≤' if bound.at_most else '≥'} {value:,g}"


def _figure(row: MeasuredRow, contender: str, *, named: bool = True, of: str = "figure") -> str:
    words = _spread(spread_of(values_of(row.samples[contender], of)))
    unit = row.unit if of == "figure" else f"ms ({of})"
    return f"{contender}: {words} {unit}" if named else f"{words} {unit}"


def _ratio(row: MeasuredRow, reference: str) -> str:
    return _spread(ratios(values_of(row.samples[row.ours]), values_of(row.samples[reference])))


def _spread(spread: Spread) -> str:
    if spread.low == spread.high:
        return _number(spread.median)
    return f"{_number(spread.median)} ({_number(spread.low)} to {_number(spread.high)})"


def _number(value: float) -> str:
    """Return three digits that count, or all of a large number's."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cpu(row: MeasuredRow) -> str:
    found = {}
    for name in (row.ours, *row.references):
        spent = [sample.cpu_us for sample in row.samples[name] if sample.cpu_us is not None]
        if spent:
            found[name] = spread_of(spent).median
    ours = found.pop(row.ours, None)
    beside = ", ".join(f"{name} {_number(cpu)}" for name, cpu in found.items())
    words = "" if ours is None else _number(ours)
    return f"{words} ({beside})" if beside else words


def _notes(rows: Sequence[MeasuredRow]) -> str:
    lines = [f"- **{row.name}**: {row.note}" for row in rows if row.note]
    return "\n".join(["## What each row is\n", *lines]) + "\n"


def _facts(facts: dict[str, str]) -> str:
    return (
        "\n".join(["| | |", "|---|---|", *[f"| {name} | {value} |" for name, value in facts.items()]]) + "\n"
    )


def _runs(rows: Sequence[MeasuredRow]) -> str:
    """Say when and by which command each row was measured, those of one run in one line."""
    runs: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        runs.setdefault((row.at, row.command), []).append(row.name)
    lines = [f"- {at}, `{command}`: {' · '.join(names)}" for (at, command), names in runs.items()]
    return "\n".join(["## Runs\n", *lines]) + "\n"
