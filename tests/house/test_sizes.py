"""Rule 10: functions mostly under 30 lines, modules under 250, at most five parameters."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from tests.house.tree import FunctionNode, Module, modules, parse

MOST_FUNCTION_LINES = 40
LONGEST_FUNCTION_LINES = 60
LONGEST_MODULE_LINES = 300
MOST_PARAMETERS = 5


def length(function: FunctionNode) -> int:
    """Lines of code and comment; what the docstring says costs nothing to keep in mind."""
    docstring = ast.get_docstring(function, clean=False)
    return (
        (function.end_lineno or 0) - function.lineno + 1 - (len(docstring.splitlines()) if docstring else 0)
    )


def functions(checked: Iterable[Module]) -> Iterator[tuple[Module, FunctionNode]]:
    return ((module, function) for module in checked for function in module.functions())


def too_long(checked: Iterable[Module], limit: int) -> list[str]:
    return [m.at(f, f"{f.name} has {length(f)} lines") for m, f in functions(checked) if length(f) > limit]


def with_many_parameters(checked: Iterable[Module]) -> list[str]:
    return [
        m.at(f, f"{f.name} takes {n}")
        for m, f in functions(checked)
        if (n := _parameters(m, f)) > MOST_PARAMETERS
    ]


def _parameters(module: Module, function: FunctionNode) -> int:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
    # A signature that a library dictates is not ours to shorten: it says so where it stands.
    first = module.text.splitlines()[function.lineno - 1 : function.body[0].lineno]
    return 0 if any("noqa: PLR0913" in line or "the signature is" in line for line in first) else len(names)


def test_no_function_is_longer_than_60_lines() -> None:
    assert too_long(modules(), LONGEST_FUNCTION_LINES) == []


def test_95_percent_of_functions_have_at_most_40_lines() -> None:
    count = sum(1 for _ in functions(modules()))
    assert len(too_long(modules(), MOST_FUNCTION_LINES)) <= 0.05 * count


def test_no_module_is_longer_than_300_lines() -> None:
    assert [m.path for m in modules() if len(m.text.splitlines()) > LONGEST_MODULE_LINES] == []


def test_no_function_takes_more_than_five_parameters() -> None:
    assert with_many_parameters(modules()) == []


def test_planted_giants_are_found() -> None:
    body: Any = "\n".join("    x = 1" for _ in range(60))
    giant = [parse("services/issuer/planted.py", f"def f(self, a, b, c, d, *, e, f):\n{body}\n")]
    assert too_long(giant, LONGEST_FUNCTION_LINES)
    assert with_many_parameters(giant)
    assert with_many_parameters([parse("p.py", "def f(self, a, b, c, d, *, e): pass")]) == []
