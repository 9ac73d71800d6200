"""The Helm chart: what it renders is what Kubernetes takes and what the services need; mistakes are named."""

import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from services.dev.plan import SERVICES
from tests.conformance.deploy_tools import CHART, KUBERNETES, Rendered, helm, render
from tests.house.chart_schema import CLASSES

pytestmark = pytest.mark.contract

OWN = CHART / "ci" / "secrets-of-ones-own-values.yaml"
TRYING = CHART / "ci" / "trying-out-values.yaml"
BOTH = pytest.mark.parametrize("values", [OWN, TRYING], ids=lambda path: path.stem)


@BOTH
def test_helm_finds_nothing_to_complain_of(values: Path) -> None:
    done = helm("lint", "--strict", "--kube-version", KUBERNETES, CHART, "-f", values)
    assert done.returncode == 0, done.stdout + done.stderr


def invalid(rendered: Rendered) -> list[str]:
    """Return what Kubernetes would refuse, unknown fields included."""
    found = []
    for document in rendered.documents:
        try:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']} {document['metadata']['name']}: {error.message}")
    return found


@BOTH
def test_kubernetes_takes_every_document(values: Path) -> None:
    rendered = render(values)
    assert rendered.complaint == ""
    assert len(rendered.of_kind("Deployment")) == 4
    assert invalid(rendered) == []


@pytest.mark.parametrize(
    ("template", "right", "wrong"),
    [
        ("deployment.yaml", "readOnly: true", "readonly: true"),
        ("deployment.yaml", "readinessProbe:", "readynessProbe:"),
        ("migrate.yaml", "backoffLimit: 3", "backoffLimit: three"),
        ("availability.yaml", "maxUnavailable:", "maxUnavailible:"),
        ("network.yaml", "pathType: Prefix", "pathtype: Prefix"),
    ],
)
def test_a_misspelt_field_is_found(tmp_path: Path, template: str, right: str, wrong: str) -> None:
    chart = tmp_path / "magiclink"
    shutil.copytree(CHART, chart)
    path = chart / "templates" / template
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    assert invalid(render(OWN, chart=chart))


@BOTH
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_settings_that_exist_and_all_that_it_needs(values: Path, service: str) -> None:
    (container,) = pod(render(values), service)["containers"]
    names = {entry["name"].removesuffix("_FILE").removeprefix("MAGICLINK_") for entry in container["env"]}
    fields = CLASSES[service].model_fields
    assert names <= {name.upper() for name in fields}
    assert {name.upper() for name, field in fields.items() if field.is_required()} <= names
    assert container["args"] == [service]


def pod(rendered: Rendered, service: str) -> dict[str, Any]:
    found: dict[str, Any] = rendered.of_kind("Deployment")[f"ml-{service}"]["spec"]["template"]["spec"]
    return found


@BOTH
@pytest.mark.parametrize("service", [*SERVICES, "migrate"])
def test_a_pod_has_no_more_rights_than_it_needs(values: Path, service: str) -> None:
    rendered = render(values)
    spec = (
        rendered.of_kind("Job")["ml-migrate"]["spec"]["template"]["spec"]
        if service == "migrate"
        else pod(rendered, service)
    )
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@BOTH
def test_secrets_come_as_files_only(values: Path) -> None:
    rendered = render(values)
    for service, model in CLASSES.items():
        spec = pod(rendered, service)
        (container,) = spec["containers"]
        secret = {
            f"MAGICLINK_{name.upper()}"
            for name, field in model.model_fields.items()
            if "Secret" in str(field.annotation)
        }
        assert not secret & {entry["name"] for entry in container["env"]}
        mounted = {item["path"] for item in spec["volumes"][0]["secret"]["items"]}
        files = {
            entry["value"].rpartition("/")[2] for entry in container["env"] if entry["name"].endswith("_FILE")
        }
        assert files == mounted


def test_a_pod_is_given_longer_than_it_drains() -> None:
    spec = pod(render(OWN), "verifier")
    assert spec["terminationGracePeriodSeconds"] == 5 + 20 + 10
    assert spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]


def test_the_migration_comes_before_every_upgrade() -> None:
    job = render(TRYING).of_kind("Job")["ml-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    secret = render(TRYING).of_kind("Secret")["ml-migrate"]
    weights = [int(part["metadata"]["annotations"]["helm.sh/hook-weight"]) for part in (secret, job)]
    assert weights == sorted(set(weights))


def test_only_the_pages_and_the_public_keys_are_for_the_public() -> None:
    (rule,) = render(OWN).of_kind("Ingress")["ml-verifier"]["spec"]["rules"]
    assert [path["path"] for path in rule["http"]["paths"]] == ["/l/", "/pair/", "/.well-known/jwks.json"]


def test_secrets_of_ones_own_leave_the_chart_without_any() -> None:
    assert render(OWN).of_kind("Secret") == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("settings.PUBLIC_URL=", "settings.PUBLIC_URL"),
        ("settings.PUBLIK_URL=x", "PUBLIK_URL"),
        ("services.notifier.settings.MAIL_FROM=", "services.notifier.settings.MAIL_FROM"),
        ("services.issuer.settings.SMTP_HOST=x", "SMTP_HOST"),
        ("services.verifier.settings.DRAIN_SECONDS=900", "DRAIN_SECONDS"),
        ("services.verifier.settings.LOG_FORMAT=yaml", "LOG_FORMAT"),
        ("services.verifier.secret.values.KEYS=", "services.verifier.secret.values.KEYS"),
        ("services.verifier.replica=3", "replica"),
        ("services.verifier.settings.KEYS=x", "KEYS"),
        ("migrate.secret.values.DATABASE_URL=", "migrate.secret.values.DATABASE_URL"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("prestopSeconds=3", "prestopSeconds"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(change: str, named: str) -> None:
    assert re.search(re.escape(named), render(TRYING, [change]).complaint)
