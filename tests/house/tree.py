"""The tree of the project as parsed modules: what the rules of the house are held against."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.sql_blocks import load

ROOT = Path(__file__).parents[2]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One module: its path from the root, its dotted name, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def at(self, node: ast.AST, words: str) -> str:
        """Return a finding, as a compiler would write it."""
        return f"{self.path}:{getattr(node, 'lineno', 0)}: {words}"

    def walk(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def functions(self) -> Iterator[FunctionNode]:
        return (node for node in self.walk() if isinstance(node, FunctionNode))


def parse(path: str, text: str) -> Module:
    """Parse a module; in tests, also one that breaks a rule."""
    return Module(path, text, ast.parse(text))


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Return every module under these folders; default: the program. Whoever adds a file adds it to every rule."""
    paths = sorted(
        path for folder in folders or ("services", "shared") for path in (ROOT / folder).rglob("*.py")
    )
    return tuple(parse(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths)


def services() -> list[str]:
    """Return the services: the folders with a `main`."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/main.py"))


@cache
def sql_files() -> dict[str, dict[str, str]]:
    """Return the named SQL blocks by file, without migrations; comments are taken out."""
    paths = [*(ROOT / "services").rglob("*.sql"), *(ROOT / "shared" / "sql").glob("*.sql")]
    return {
        str(path.relative_to(ROOT)): {name: _bare(text) for name, text in load(path).items()}
        for path in sorted(paths)
    }


def _bare(sql: str) -> str:
    return "\n".join(line.partition("--")[0] for line in sql.splitlines())


def identifier(node: ast.AST) -> str:
    """Return the last name of an expression: `token` of `self.token`, `row["token"]` and `token`; else nothing."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case _:
            return ""
