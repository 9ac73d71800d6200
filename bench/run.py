"""A run: the modules of `bench/rows` one after the other, each on a fresh cluster."""

import importlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bench.house import House, open_house
from bench.results import MeasuredRow, measured
from bench.rounds import measure_row
from bench.row import Effort, Row
from services.dev.plan import Plan

ROWS = Path(__file__).with_name("rows")
# That of the page. A module has `async def rows(house) -> list[Row]` and, where it needs another cluster than the usual, its `PLAN`; one
# that leaves its cluster behind unlike it found it says `ALONE = True`.
ORDER = ("verify", "replays", "pages", "issue", "batches", "intake", "relay", "notify", "latency", "single", "workers",
         "growth", "memory", "start", "overload", "compat")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run is done: its date and command for the page, its rounds, and the effort of each measurement."""

    at: str
    command: str
    rounds: int
    effort: Effort


def row_modules(names: Iterable[str] = ()) -> dict[str, ModuleType]:
    """Return the modules of these names, or all, in the order of the page. Raises `SystemExit` for an unknown one."""
    there = [name for name in ORDER if (ROWS / f"{name}.py").exists()]
    wanted = set(names)
    unknown = sorted(wanted - set(there))
    if unknown:
        raise SystemExit(f"no rows named {', '.join(unknown)}; there are {', '.join(there)}")
    return {
        name: importlib.import_module(f"bench.rows.{name}") for name in there if not wanted or name in wanted
    }


Keep = Callable[[Sequence[MeasuredRow]], None]


async def run_modules(
    modules: Mapping[str, ModuleType], folder: Path, ran: Ran, keep: Keep = lambda _: None
) -> list[MeasuredRow]:
    """Measure every row of these modules. A smoke run shares a cluster among those that want the same.

    `keep` gets the rows of each module when it is done. One that fails does not cost the hour of the others: `SystemExit` is raised in the end.
    """
    found: list[MeasuredRow] = []
    failed: list[str] = []
    for number, group in enumerate(groups_of(modules, share=ran.effort.smoke)):
        plan = plan_of(modules[group[0]])
        async with open_house(folder / str(number), plan) as house:
            for name in group:
                try:
                    rows = await _run_module(name, modules[name], house, ran)
                except SystemExit as failure:
                    failed.append(f"{name}: {failure}")
                    print(failed[-1], file=sys.stderr, flush=True)
                else:
                    keep(rows)
                    found += rows
    if failed:
        raise SystemExit("\n".join(["failed:", *failed]))
    return found


def plan_of(module: ModuleType) -> Plan | None:
    plan: Plan | None = getattr(module, "PLAN", None)
    return plan


def groups_of(modules: Mapping[str, ModuleType], *, share: bool) -> list[list[str]]:
    """Return which modules run on one cluster: with `share`, those that want the same and leave it as they found it."""
    if not share:
        return [[name] for name in modules]
    groups: list[list[str]] = []
    for name, module in modules.items():
        like = next((group for group in groups if _go_together(modules[group[0]], module)), None)
        if like is None:
            groups.append([name])
        else:
            like.append(name)
    return groups


def _go_together(one: ModuleType, other: ModuleType) -> bool:
    alone = getattr(one, "ALONE", False) or getattr(other, "ALONE", False)
    return not alone and plan_of(one) == plan_of(other)


async def _run_module(name: str, module: ModuleType, house: House, ran: Ran) -> list[MeasuredRow]:
    found = []
    rows: list[Row] = await module.rows(house)
    for row in rows:
        print(f"{name}: {row.name}", flush=True)
        started = time.monotonic()
        samples = await measure_row(row, ran.effort, ran.rounds, lambda words: print(words, flush=True))
        facts = {"at": ran.at, "command": ran.command, "seconds": round(time.monotonic() - started, 1)}
        found.append(measured(row, name, samples, facts))
    return found
