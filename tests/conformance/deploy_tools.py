"""Helm and compose's own reader, as `.ci/deploy/tools` builds them."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.house.tree import ROOT

CHART = ROOT / "deploy" / "helm" / "magiclink"
COMPOSE = ROOT / "docker-compose.yml"
KUBERNETES = "1.33"


@cache
def tools() -> Path:
    """Return their folder, building them when they are not there: needs Go."""
    done = subprocess.run(
        ["bash", ROOT / ".ci" / "deploy" / "tools"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


@dataclass(frozen=True)
class Rendered:
    """What helm made of the chart, or what it said instead."""

    documents: list[dict[str, Any]]
    complaint: str

    def of_kind(self, kind: str) -> dict[str, dict[str, Any]]:
        return {
            document["metadata"]["name"]: document for document in self.documents if document["kind"] == kind
        }


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tools() / "helm", *arguments], capture_output=True, text=True, check=False)


def render(values: Path, sets: Sequence[str] = (), chart: Path = CHART) -> Rendered:
    """Render the chart with a file of values and single values over it."""
    options = [option for one in sets for option in ("--set", one)]
    done = helm("template", "ml", chart, "--kube-version", KUBERNETES, "-f", values, *options)
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    return Rendered(documents, done.stderr if done.returncode else "")


def read_compose(path: Path, environment: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Return the resolved model of a compose file, or compose's complaint."""
    done = subprocess.run(
        [tools() / "compose-config", path],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return (orjson.loads(done.stdout) if done.returncode == 0 else {}), done.stderr
