"""Documents tell the truth about names: every link, path, test, command, setting and metric that they name exists.

That they name no registry and no path of a machine is checked with all other texts, in test_strictness.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from services.cli import cli
from services.dev.plan import SERVICES
from services.operator.settings_reference import MODELS, settings_of
from shared.settings import PREFIX
from tests.house.tree import ROOT

_FOLDERS = "services|shared|tests|docs|examples|bin|requirements|deploy|\\.ci"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?<![\w./-])((?:{_FOLDERS})/[\w./*-]*)(?:::(test_\w+))?")
_FILE = re.compile(r"(?<![\w./*-])([\w*.-]+\.(?:py|sql|lua|toml|css|in))(?![\w/])")
_SETTING = re.compile(r"(?<![\w<])(MAGICLINK_[A-Z_]*[A-Z]|_[A-Z][A-Z_]+[A-Z])(?!\w)")
_METRIC = re.compile(r"(?<![\w.])(magiclink_[a-z_]*[a-z])(?!\w)")
_MAKE = re.compile(r"^make ([a-z]+)")
_COMMAND = re.compile(r"(?:^|[/\s])magiclink ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?")

# What deploy/compose/make-secrets and operators put there; none of it is in a checkout.
_MADE = "deploy/compose/secrets/"

# Group roles of the database, which look like metrics.
_ROLES = {f"magiclink_{service}" for service in SERVICES}

# Commands that a document names as not there yet.
_LATER: set[str] = set()


PLAN = "docs/design.md"


@cache
def documents() -> dict[str, str]:
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    paths += (ROOT / "deploy").rglob("*.md")
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(paths)}
    # The plan names files of issues to come; what is there today stands in the other documents.
    return {name: text for name, text in texts.items() if name != PLAN}


def code(text: str) -> list[str]:
    """Return what a document shows as code: its spans, and the lines of its fenced blocks."""
    lines = [line for _, block in _FENCE.findall(text) for line in block.splitlines()]
    return [*_SPAN.findall(_FENCE.sub("", text)), *lines]


def broken_links(name: str, text: str) -> Iterator[str]:
    for target in _LINK.findall(_FENCE.sub("", text)):
        path = target.partition("#")[0]
        if "://" not in target and path and not ((ROOT / name).parent / path).exists():
            yield f"{name}: {target}"


def missing_paths(name: str, text: str) -> Iterator[str]:
    for part in code(text):
        for path, test in _PATH.findall(part):
            found = list(ROOT.glob(path.rstrip("/.")))
            if not found and not path.startswith(_MADE):
                yield f"{name}: {path}"
            elif found and test and f"def {test}(" not in found[0].read_text(encoding="utf-8"):
                yield f"{name}: {path}::{test}"
        for file in _FILE.findall(part):
            if not any(Path(known).match(file) for known in tree()):
                yield f"{name}: {file}"


@cache
def tree() -> frozenset[str]:
    """Return every file's name from the root, without what is hidden."""
    return frozenset(
        str(path.relative_to(ROOT))
        for top in (
            *ROOT.glob("*.*"),
            *(ROOT / folder for folder in _FOLDERS.split("|") if "\\" not in folder),
        )
        for path in (top.rglob("*") if top.is_dir() and not top.name.startswith(".") else [top])
    )


@cache
def settings() -> frozenset[str]:
    """Return every setting there is: fields of settings classes, and what launcher and set-up read themselves."""
    fields = {setting.name for name in MODELS for setting in settings_of(name)}
    own = {f"{PREFIX}{service.upper()}_DATABASE_URL" for service in SERVICES}
    literal = {
        found
        for path in (ROOT / "services" / "dev").glob("*.py")
        for found in re.findall(r"\bMAGICLINK_DEV_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    return frozenset(fields | own | literal)


def unknown_settings(name: str, text: str) -> Iterator[str]:
    for part in code(text):
        for word in _SETTING.findall(part):
            bare = word.removesuffix(
                "_FILE"
            )  # which each of them may end in; nothing is left of the ending alone
            if bare and not any(
                known == bare or (bare.startswith("_") and known.endswith(bare)) for known in settings()
            ):
                yield f"{name}: {word}"


def unknown_metrics(name: str, text: str) -> Iterator[str]:
    known = (ROOT / "shared" / "metrics.py").read_text(encoding="utf-8")
    for word in _METRIC.findall("\n".join(code(text))):
        if f'"{word}"' not in known and word not in _ROLES:
            yield f"{name}: {word}"


def commands() -> dict[str, set[str]]:
    context = click.Context(cli)
    groups = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {
        name: set(found.list_commands(context)) if isinstance(found, click.Group) else set()
        for name, found in groups.items()
    }


def unknown_commands(name: str, text: str) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    known = commands()
    for part in code(text):
        made = _MAKE.match(part)
        if made and made[1] not in targets:
            yield f"{name}: make {made[1]}"
        for command, sub in _COMMAND.findall(part):
            if command not in known and command not in _LATER:
                yield f"{name}: magiclink {command}"
            elif sub and known.get(command) and sub not in known[command]:
                yield f"{name}: magiclink {command} {sub}"


CHECKS = (broken_links, missing_paths, unknown_settings, unknown_metrics, unknown_commands)


def findings(texts: Iterable[tuple[str, str]]) -> list[str]:
    return [found for name, text in texts for check in CHECKS for found in check(name, text)]


@pytest.mark.parametrize("name", documents())
def test_what_a_document_names_exists(name: str) -> None:
    assert findings([(name, documents()[name])]) == []


def test_what_comes_later_is_not_there_yet() -> None:
    assert not _LATER & commands().keys()


def test_python_in_documents_is_python() -> None:
    blocks = [
        block for text in documents().values() for kind, block in _FENCE.findall(text) if kind == "python"
    ]
    assert blocks
    for block in blocks:
        ast.parse(block)


def test_every_guarantee_stands_in_the_readme_and_names_tests_that_try_to_break_it() -> None:
    sections = re.split(r"^## (?=G\d)", documents()["docs/guarantees.md"], flags=re.MULTILINE)[1:]
    assert [section[:2] for section in sections] == [f"G{number}" for number in range(1, 10)]
    for section in sections:
        assert f"\n| {section[:2]} |" in documents()["README.md"]
        assert any(path.startswith("tests/") for path, _ in _PATH.findall(section)), section[:2]


def test_every_decision_stands_in_the_index() -> None:
    index = documents()["docs/decisions/README.md"]
    records = [path.name for path in (ROOT / "docs" / "decisions").glob("0*.md")]
    assert records
    assert [name for name in records if f"({name})" not in index] == []
    assert len({name[:4] for name in records}) == len(records)


@pytest.mark.parametrize(
    "planted",
    [
        "see [this](docs/nowhere.md)",
        "`services/issuer/gone.py` did it",
        "`gone.lua` did it",
        "```\nservices/gone\n```",
        "`tests/house/test_docs.py::test_that_nobody_wrote`",
        "set `MAGICLINK_SMTP_HOTS`",
        "and `_SMTP_PROT`",
        "`magiclink_links_lost_total`",
        "```sh\nmake coffee\n```",
        "`magiclink coffee`",
        "`magiclink keys coffee`",
        "`magiclink vendors compat-coffee`",
    ],
)
def test_a_planted_fault_is_found(planted: str) -> None:
    assert len(findings([("planted.md", planted)])) == 1
