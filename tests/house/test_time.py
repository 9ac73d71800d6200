"""Rule 9: time is a passed clock in pure code and the database's clock in SQL."""

import ast
from collections.abc import Iterable

import pytest

from tests.house.tree import Module, modules, parse

_READS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
# module: why it reads a clock of its own.
EXCEPTIONS = {
    "shared/clock.py": "it is the clock",
    "shared/tokens.py": "a UUIDv7 is made of the present; which moment it was decides nothing",
    "shared/bus.py": "the `time` of an event that has no better one",
    "shared/client/calls.py": "a date in `Retry-After` is compared with the client's own present",
    "services/notifier/channels/smtp.py": "the default of an argument: the Date header of a mail",
}


def clock_reads(checked: Iterable[Module]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for module in checked:
        for node in module.walk():
            if _reads_a_clock(node):
                found.setdefault(module.path, []).append(module.at(node, ast.unparse(node)))
    return found


def _reads_a_clock(node: ast.AST) -> bool:
    match node:
        case (
            ast.Attribute(value=ast.Name(id=owner), attr=name)
            | ast.Attribute(value=ast.Attribute(attr=owner), attr=name)
        ):
            return name in _READS.get(owner, ())
        case ast.ImportFrom(module="time", names=names):
            return any(alias.name in _READS["time"] for alias in names)
        case _:
            return False


def test_time_comes_from_a_passed_clock() -> None:
    # The launcher waits for real servers and measures for a person to read.
    found = clock_reads(module for module in modules() if not module.path.startswith("services/dev/"))
    assert {path: lines for path, lines in found.items() if path not in EXCEPTIONS} == {}
    assert not EXCEPTIONS.keys() - found.keys(), "an exception that is none any more"


@pytest.mark.parametrize(
    "line",
    [
        "time.time()",
        "clock = time.monotonic",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "from time import time",
    ],
)
def test_a_planted_clock_is_found(line: str) -> None:
    assert clock_reads([parse("services/issuer/planted.py", line)])
