"""What is under deploy/ names what the code has: topics, locks, settings, and every file that the services read."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import orjson
import yaml
from prometheus_client import Counter, Gauge, Histogram

from shared import metrics
from shared.bus import TOPICS
from tests.house.chart_schema import CHART, SCHEMA, whole
from tests.house.tree import ROOT, services

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def test_the_list_of_topics_is_that_of_the_code() -> None:
    lines = (ROOT / "deploy" / "kafka" / "topics.txt").read_text(encoding="utf-8").splitlines()
    listed = [line.split() for line in lines if not line.startswith("#")]
    assert {topic: int(partitions) for topic, partitions in listed} == dict(TOPICS)


def test_the_settings_in_the_charts_schema_are_those_of_the_code() -> None:
    assert orjson.loads(SCHEMA.read_bytes()) == whole(), "run: make documents"


def test_the_chart_and_the_compose_file_start_every_service() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert sorted(values["services"]) == services()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert set(services()) <= compose["services"].keys()


def test_the_chart_has_the_version_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    found = re.search(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found
    assert chart["appVersion"] == found[1]


def test_every_alert_asks_for_metrics_and_labels_that_exist_and_is_explained() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))[
        "groups"
    ]
    rules = [rule for group in groups for rule in group["rules"]]
    known = {
        sample: set(metric._labelnames)
        for metric in vars(metrics).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        for described in metric.describe()
        for sample in (
            described.name,
            *(f"{described.name}_{end}" for end in ("total", "bucket", "count", "sum")),
        )
    }
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for rule in rules:
        for name, matched in re.findall(r"\b(magiclink_\w+)(?:\{(\w+))?", rule["expr"]):
            assert name in known, name
            assert not matched or matched in known[name], rule["expr"]
        assert f"`{rule['alert']}`" in operations
    assert len(rules) == len({rule["alert"] for rule in rules})


def test_the_image_installs_nothing_without_its_hash() -> None:
    installs = [line for line in DOCKERFILE.splitlines() if " install " in line and "pip" in line]
    assert len(installs) == 4
    for line in installs:
        lock = re.search(r"--require-hashes --only-binary :all: -r (requirements/\w+\.txt)", line)
        if lock is None:
            assert "--no-deps --no-index /wheel/" in line, line
        else:
            text = (ROOT / lock[1]).read_text(encoding="utf-8")
            assert text.count("==") <= text.count("--hash=sha256:")


def test_the_image_runs_as_nobody_of_note_from_a_pinned_base() -> None:
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["magiclink"]' in DOCKERFILE


def test_the_image_is_made_of_the_program_alone() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignored
    taken = {line.removeprefix("!").rstrip("/") for line in ignored if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE))
    assert {name.rstrip("/") for names in copied for name in names.split()} == taken


def test_the_wheel_holds_every_file_that_the_services_read(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = {
        str(path.relative_to(ROOT))
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files <= inside
    assert not [name for name in inside if name.startswith(("tests/", "docs/"))]
