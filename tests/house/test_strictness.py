"""Rule 13: a warning fails the test, nothing is skipped, nothing is left open; and the project names no place but its own."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import ROOT, Module, modules, parse

_TEXTS = {
    ".py",
    ".md",
    ".sql",
    ".lua",
    ".toml",
    ".yml",
    ".yaml",
    ".html",
    ".css",
    ".txt",
    ".json",
    ".in",
    ".sh",
    ".ini",
    ".cfg",
    "",
}
_LEFT_OUT = {"__pycache__", "node_modules"}
# Put together, so that this file does not hold what it looks for.
_OPEN_ENDS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
_REGISTRIES = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            "pypi" + ".org", "python" + "hosted.org", "repo1." + "maven.org", "repo.maven." + "apache.org", "registry." + "npmjs",
            "proxy." + "golang.org", "crates" + ".io", "docker" + ".io", "ghcr" + ".io", "quay" + ".io", "ngc" + ".nvidia",
        )
    )
)  # fmt: skip
_MACHINE = re.compile(r"(?<![\w.*~}])/" + r"(work|root|home/[a-z]+|tmp/brief)/[\w.]")


def files() -> Iterator[Path]:
    """Every text file of the project; not what is made, caught or locked."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        hidden = inside[0].startswith(".") and inside[0] != ".ci"
        if not hidden and not _LEFT_OUT & set(inside) and path.suffix in _TEXTS and path.is_file():
            yield path


def findings(pattern: re.Pattern[str], texts: Iterable[tuple[str, str]]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in texts
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def project() -> Iterator[tuple[str, str]]:
    return (
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8", errors="replace")) for path in files()
    )


def pytest_settings() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings: dict[str, Any] = tomllib.load(file)["tool"]["pytest"]["ini_options"]
    return settings


def test_a_warning_fails_the_test(request: pytest.FixtureRequest) -> None:
    assert pytest_settings()["filterwarnings"] == ["error"]
    assert request.config.getini("filterwarnings")[0] == "error"
    with pytest.raises(DeprecationWarning):
        __import__("warnings").warn("old", DeprecationWarning, stacklevel=1)


def test_a_misspelt_marker_or_setting_fails() -> None:
    assert {"--strict-markers", "--strict-config"} <= set(pytest_settings()["addopts"].split())


_WAYS_OUT = {"skip", "skipif", "xfail", "importorskip", "SkipTest", "expectedFailure"}


def skipped(checked: Iterable[Module]) -> list[str]:
    """Return where a test is left out or allowed to fail."""
    return [
        module.at(node, ast.unparse(node))
        for module in checked
        for node in module.walk()
        if (isinstance(node, ast.Attribute) and node.attr in _WAYS_OUT and "pytest" in ast.unparse(node))
        or (isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).startswith("unittest.skip"))
    ]


def swallowed(checked: Iterable[Module]) -> list[str]:
    """Return where whatever happens is passed over in silence."""
    return [
        module.at(node, "swallows every exception")
        for module in checked
        for node in module.walk()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(part, ast.Pass | ast.Continue) for part in node.body)
    ]


def test_no_test_is_skipped_or_allowed_to_fail() -> None:
    assert skipped(modules("tests")) == []


def test_no_exception_is_swallowed() -> None:
    assert swallowed([*modules(), *modules("tests", "examples")]) == []


def test_nothing_is_left_open() -> None:
    assert findings(_OPEN_ENDS, project()) == []


def test_no_package_registry_is_named() -> None:
    locked = ("requirements/", "bin/setup")
    assert [line for line in findings(_REGISTRIES, project()) if not line.startswith(locked)] == []


def test_no_path_of_a_machine_is_named() -> None:
    assert findings(_MACHINE, project()) == []


@pytest.mark.parametrize(
    "line",
    ["@pytest.mark.skip\ndef f(): ...", "pytest.skip('x')", "@pytest.mark.xfail(strict=True)\ndef f(): ...", "pytest.importorskip('x')",
     "@pytest.mark.skipif(True, reason='x')\ndef f(): ..."],
)  # fmt: skip
def test_a_planted_way_out_is_found(line: str) -> None:
    assert skipped([parse("tests/unit/test_planted.py", line)])


@pytest.mark.parametrize(
    "handler", ["except:\n    pass", "except Exception:\n    pass", "except BaseException as e:\n    pass"]
)
def test_a_planted_silence_is_found(handler: str) -> None:
    assert swallowed([parse("services/issuer/planted.py", f"try:\n    f()\n{handler}")])


def test_planted_words_are_found() -> None:
    planted = [
        ("a.md", f"{'TO' + 'DO'}: later"),
        ("b.md", f"pip install --index-url https://{'pypi' + '.org'}/simple"),
    ]
    assert findings(_OPEN_ENDS, planted) == [f"a.md:1: {'TO' + 'DO'}: later"]
    assert len(findings(_REGISTRIES, planted)) == 1
    assert findings(_MACHINE, [("c.md", "see " + "/work" + "/shared/x")])
    assert (
        findings(_MACHINE, [("c.md", "https://example.com" + "/work" + "/x, " + "$HOME/work" + "/x")]) == []
    )
