"""Rule 8: Lua stands in its own file, described on top, every key through KEYS."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, modules

SCRIPTS = sorted((ROOT / "shared" / "lua").glob("*.lua"))
_CALL = re.compile(r"redis\.p?call\(\s*(['\"])(?P<command>[A-Z]+)\1\s*(?:,\s*(?P<key>[^,)]+))?")
# These act on no key.
_KEYLESS = frozenset({"TIME"})


def faults(source: str) -> list[str]:
    """Return what a script does against the rule."""
    head = [line for line in source.splitlines() if line.startswith("--")]
    top = "\n".join(source.splitlines()[: len(head)])
    found = [
        f"{word} is not described on top"
        for word in ("KEYS[1]", "ARGV[1]", "Replies")
        if f"-- {word}" not in top
    ]
    used = set(re.findall(r"(?:KEYS|ARGV)\[\d+\]", source.replace(top, "")))
    described = set(re.findall(r"^-- ((?:KEYS|ARGV)\[\d+\])", top, re.MULTILINE))
    if used != described:
        found.append(f"uses {sorted(used)} and describes {sorted(described)}")
    calls = list(_CALL.finditer(source))
    if len(calls) != source.count("redis.call") + source.count("redis.pcall"):
        found.append("calls Redis in a way this test cannot read")
    found += [
        f"{call['command']} takes its key from elsewhere than KEYS: {call['key']}"
        for call in calls
        if call["command"] not in _KEYLESS and not re.fullmatch(r"KEYS\[\d+\]", (call["key"] or "").strip())
    ]
    return found


def test_there_are_scripts() -> None:
    assert {path.stem for path in SCRIPTS} >= {"bucket", "claim", "release", "verdict"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_describes_what_it_takes_and_builds_no_key(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


def test_no_lua_stands_in_python() -> None:
    assert [m.path for m in modules() if "redis.call" in m.text or "redis.pcall" in m.text] == []


def test_every_script_is_used() -> None:
    used = {name for module in modules() for name in re.findall(r"Script\(\"([a-z_]+)\"\)", module.text)}
    assert used == {path.stem for path in SCRIPTS}


GOOD = "-- Does.\n-- KEYS[1]  a\n-- ARGV[1]  b\n-- Replies  1\nreturn redis.call('SET', KEYS[1], ARGV[1])\n"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("-- Replies  1\n", ""),
        ("-- KEYS[1]  a\n", ""),
        ("-- ARGV[1]  b\n", ""),
        ("KEYS[1], ARGV[1])", "'ml:' .. KEYS[1], ARGV[1])"),
        ("KEYS[1], ARGV[1])", "ARGV[1])"),
        ("KEYS[1], ARGV[1])", "KEYS[2], ARGV[1])"),
        ("redis.call('SET'", "redis.call(command"),
    ],
)
def test_a_planted_fault_is_found(was: str, becomes: str) -> None:
    assert faults(GOOD) == []
    assert faults(GOOD.replace(was, becomes))
