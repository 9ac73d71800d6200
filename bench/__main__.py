"""The whole benchmark with one command: starts what it needs, measures every row, writes the page and the charts."""

import argparse
import asyncio
import shlex
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.page import table
from bench.published import Published, publish, results_path
from bench.results import MeasuredRow, missed, read_results
from bench.row import Effort
from bench.run import Keep, Ran, row_modules, run_modules
from bench.servers import ROOT, use_servers

DOCS = ROOT / "docs"
EXIT_MISSED = 3
SMOKE = Effort(1.0, 300, smoke=True)
COUNT = 50_000


def main() -> int:
    """Return 0 when every row reaches what it must, 3 when one falls short; whatever fails raises, which is 1 (and wrong usage 2)."""
    asked = _arguments()
    if asked.list:
        for name, module in row_modules(asked.rows).items():
            print(f"{name:10} {(module.__doc__ or '').partition(chr(10))[0]}")
        return 0
    if asked.from_results:
        results = read_results(results_path(asked.out))
        publish(results, asked.out)
        return _close(list(results.rows.values()))
    use_servers(embedded=asked.smoke and asked.embedded)
    # A smoke run keeps nothing: its figures mean nothing.
    keep = _forget if asked.smoke else Published(asked.out, anew=not asked.rows).add
    measured = asyncio.run(_measure(asked, keep))
    print()
    print(table(measured))
    return 0 if asked.smoke else _close(measured)


def _forget(_: Sequence[MeasuredRow]) -> None:
    """Keep nothing."""


async def _measure(asked: argparse.Namespace, keep: Keep) -> list[MeasuredRow]:
    effort = SMOKE if asked.smoke else Effort(asked.seconds, COUNT)
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    ran = Ran(datetime.now(UTC).date().isoformat(), command, 1 if asked.smoke else asked.rounds, effort)
    with tempfile.TemporaryDirectory(prefix="magiclink-bench-") as data:
        return await run_modules(row_modules(asked.rows), Path(data), ran, keep)


def _close(rows: list[MeasuredRow]) -> int:
    short = missed(rows)
    for name in short:
        print(f"falls short: {name}", file=sys.stderr)
    return EXIT_MISSED if short else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure every row, or some; write benchmarks.md and benchmarks/ (results.json, charts).",
        epilog="Exit codes: 0 every row reaches what it must, 1 something failed (a wrong answer, a missing program), 2 wrong usage, 3 a row falls short.",
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these, as --list names them; the others' results stay",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of load a measurement")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="whether it works: a second a measurement, one round, nothing written",
    )
    parser.add_argument("--embedded", action="store_true", help="with --smoke: on the embedded servers")
    parser.add_argument("--out", type=Path, default=DOCS, help="where the page goes (docs)")
    parser.add_argument(
        "--from-results", action="store_true", help="measure nothing: page and charts anew from results.json"
    )
    parser.add_argument("--list", action="store_true", help="the rows' names")
    asked = parser.parse_args()
    if asked.embedded and not asked.smoke:
        parser.error("--embedded goes with --smoke: published figures are of real servers")
    return asked


if __name__ == "__main__":
    sys.exit(main())
