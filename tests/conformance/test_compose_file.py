"""docker-compose.yml, as compose's own reader resolves it: valid, pinned, and with the settings that the services take."""

import re
from pathlib import Path
from typing import Any

import pytest

from services.dev.plan import SERVICES
from shared.settings import load_settings
from tests.conformance.deploy_tools import COMPOSE, read_compose
from tests.house.chart_schema import CLASSES
from tests.integration.deploy.test_compose_scripts import make_secrets

pytestmark = pytest.mark.contract


def model(environment: dict[str, str] | None = None) -> dict[str, Any]:
    found, complaint = read_compose(COMPOSE, environment or {})
    assert found, complaint
    return found


def test_compose_takes_the_file() -> None:
    assert {"issuer", "verifier", "notifier", "postgres", "redis", "kafka"} <= model()["services"].keys()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("restart: unless-stopped", "restarts: unless-stopped"),
        ("condition: service_healthy", "condition: service_wealthy"),
        ("secrets: [issuer_database_url, issuer_keys]", "secrets: [issuer_database_uri]"),
        ("kafka: {condition", "kafkaa: {condition"),
    ],
)
def test_a_misspelt_word_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = COMPOSE.read_text()
    assert right in text
    path = tmp_path / "docker-compose.yml"
    path.write_text(text.replace(right, wrong))
    found, complaint = read_compose(path, {})
    assert not found
    assert complaint


def test_every_image_is_pinned_or_built_here() -> None:
    for name, service in model()["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert tag == "local" or re.fullmatch(r"\d+\.\d+\.\d+.*|\d+\.\d+-bookworm", tag), name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_the_settings_it_is_given(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_secrets(tmp_path / "secrets")
    (tmp_path / "secrets" / "compat_api_key").write_text("made by `keys create`, which needs the database")
    environment = model()["services"][service]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("/run/secrets/", f"{tmp_path}/secrets/"))
    load_settings(CLASSES[service])
    known = {f"MAGICLINK_{name.upper()}" for name in CLASSES[service].model_fields}
    assert {name.removesuffix("_FILE") for name in environment} <= known


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_no_more_than_it_needs(service: str) -> None:
    found = model()["services"][service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in found["security_opt"]
    others = {other for other in SERVICES if other != service}
    given = {secret["source"] for secret in found["secrets"]}
    assert not [name for name in given if name.split("_")[0] in {*others, "owner", "master"}]


def test_only_this_machine_reaches_the_ports() -> None:
    for name, service in model()["services"].items():
        assert {port["host_ip"] for port in service.get("ports") or []} <= {"127.0.0.1"}, name


def test_production_is_a_matter_of_variables() -> None:
    given = {"MAGICLINK_ENVIRONMENT": "production", "MAGICLINK_PUBLIC_URL": "https://login.example.com"}
    environment = model(given)["services"]["verifier"]["environment"]
    assert environment["MAGICLINK_PUBLIC_URL"] == "https://login.example.com"
    assert environment["MAGICLINK_ENVIRONMENT"] == "production"
