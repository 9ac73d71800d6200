"""Rule 1: imports go one way. Rule 4: nothing connects at import."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

from tests.house.tree import ROOT, modules, services

# Says at once, through the interpreter's own audit events, what a module would do to the outside world.
IMPORT_ALL = """
import importlib, sys
import urllib3.util.connection  # looks for IPv6 by binding a socket when it is imported; not ours to mend

FORBIDDEN = ("socket.__new__", "socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.exec")

def refuse(event, args):
    if event in FORBIDDEN:
        raise RuntimeError("does this at import: " + event)

sys.addaudithook(refuse)
for name in sys.argv[1:]:
    importlib.import_module(name)
print("imported", len(sys.argv) - 1)
"""


def layers() -> list[set[str]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract["type"] == "layers")
    return [{part.strip() for part in line.split("|")} for line in contract["layers"]]


def illegal_imports(graph: grimp.ImportGraph) -> set[Any]:
    ordered = [grimp.Layer(*layer, independent=True) for layer in layers()]
    found: set[Any] = graph.find_illegal_dependencies_for_layers(layers=ordered)
    return found


@pytest.fixture
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("services", "shared", cache_dir=None)


def test_imports_go_one_way(graph: grimp.ImportGraph) -> None:
    assert illegal_imports(graph) == set()


def test_every_service_stands_in_the_contract() -> None:
    named = set.union(*layers())
    assert {f"services.{name}" for name in services()} <= named
    top = {module.name for module in modules("services") if module.path.count("/") == 1} - {"services"}
    assert top <= named


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("shared.bus", "services.issuer.issue"),
        ("services.verifier.consume", "services.issuer.store"),
        ("services.notifier.deliver", "services.verifier.store"),
        ("services.issuer.main", "services.dev.cluster"),
        ("services.dev.cluster", "services.cli"),
    ],
)
def test_a_planted_import_is_found(graph: grimp.ImportGraph, importer: str, imported: str) -> None:
    for module in (importer, imported):
        graph.add_module(module)
    graph.add_import(importer=importer, imported=imported)
    assert illegal_imports(graph)


def import_in_a_child(names: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_nothing_connects_at_import() -> None:
    # Migrations are run by Alembic, which connects; they are never imported.
    names = [
        module.name
        for module in modules()
        if not module.path.startswith(("shared/sql/env.py", "shared/sql/versions"))
    ]
    done = import_in_a_child(names, ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"imported {len(names)}\n"


@pytest.mark.parametrize(
    "line",
    [
        "import socket; socket.create_connection(('127.0.0.1', 1))",
        "import redis; redis.Redis(port=1).ping()",
        "import asyncio; asyncio.run(asyncio.sleep(0))",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.gethostbyname('localhost'); socket.getaddrinfo('localhost', 1)",
    ],
)
def test_a_planted_connection_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "planted.py").write_text(line)
    done = import_in_a_child(["planted"], tmp_path)
    assert done.returncode == 1
    assert "does this at import" in done.stderr
