"""Rule 11: one noun a thing, events in the past tense, and no drawer called utils."""

import ast
import re
from collections.abc import Iterable

import pytest

from tests.house.event_types import produced_types
from tests.house.tree import ROOT, Module, modules, parse

DRAWERS = frozenset(
    {"utils", "util", "utilities", "helpers", "helper", "manager", "managers", "common", "misc"}
)


def words_of(name: str) -> set[str]:
    """`MailHelper_two` -> mail, helper, two."""
    return set(re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().strip("_").split("_"))


def drawers(checked: Iterable[Module]) -> list[str]:
    found = [
        module.path for module in checked if any(words_of(part) & DRAWERS for part in module.name.split("."))
    ]
    return found + [
        module.at(node, node.name)
        for module in checked
        for node in module.walk()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and words_of(node.name) & DRAWERS
    ]


def is_past(event_type: str) -> bool:
    return bool(re.fullmatch(r"magiclink\.[a-z]+\.[a-z_]+(ed|sent)\.v[0-9]+", event_type))


def test_no_name_is_a_drawer_for_anything() -> None:
    assert drawers([*modules(), *modules("tests")]) == []
    folders = [path for path in ROOT.glob("[!.]*/**/") if words_of(path.name) & DRAWERS]
    assert folders == []


@pytest.mark.parametrize("event_type", sorted(produced_types()))
def test_an_event_says_what_happened(event_type: str) -> None:
    assert is_past(event_type)


def test_log_lines_are_named_in_snake_case() -> None:
    named = [
        (module.at(node, ""), node.args[0].value)
        for module in modules()
        for node in module.walk()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    assert named
    assert [where for where, event in named if not re.fullmatch(r"[a-z]+(_[a-z]+)*", str(event))] == []


def test_planted_words_are_found() -> None:
    assert drawers([parse("services/issuer/mail_utils.py", "")])
    assert drawers([parse("services/issuer/planted.py", "class LinkManager: pass")])
    assert drawers([parse("services/issuer/planted.py", "def common_headers(): pass")])
    assert drawers([parse("services/issuer/planted.py", "def commonly(): pass")]) == []
    assert not is_past("magiclink.link.consume.v1")
    assert not is_past("magiclink.link.consumed")
