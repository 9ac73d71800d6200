import re
from pathlib import Path
from typing import Any

import pytest

from services.issuer.settings import IssuerSettings
from services.notifier.settings import NotifierSettings
from services.verifier.settings import VerifierSettings
from services.verifier.signing_keys import generate_signing_keys
from shared.keys import derive_ring, new_master
from shared.settings import ServiceSettings, SettingsProblem, load_settings

MASTER = new_master()
COMMON = {
    "DATABASE_URL": "postgresql://issuer@db/magiclink",
    "REDIS_URL": "redis://cache",
    "PUBLIC_URL": "https://login.example",
}
KAFKA = {"KAFKA_BOOTSTRAP": "kafka:9092"}
COMPLETE: dict[type[ServiceSettings], dict[str, str]] = {
    IssuerSettings: {**COMMON, **KAFKA, "KEYS": derive_ring(MASTER, "issuer")},
    NotifierSettings: {
        **COMMON,
        **KAFKA,
        "KEYS": derive_ring(MASTER, "notifier"),
        "SMTP_HOST": "mail.example",
        "MAIL_FROM": "Example <login@mail.example>",
    },
    VerifierSettings: {
        **COMMON,
        "KEYS": derive_ring(MASTER, "verifier"),
        "SIGNING_KEYS": generate_signing_keys(),
    },
}
SERVICES = pytest.mark.parametrize("service", COMPLETE, ids=lambda service: service.__name__)
FIELDS = [(service, field) for service in COMPLETE for field in sorted(service.model_fields)]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("MAGICLINK_"):
            monkeypatch.delenv(name)


def put(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"MAGICLINK_{name}", value)


def problems_of(service: type[ServiceSettings]) -> list[str]:
    with pytest.raises(SettingsProblem) as refused:
        load_settings(service)
    return str(refused.value).splitlines()


@SERVICES
def test_the_required_settings_are_enough(
    service: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, COMPLETE[service])
    settings = load_settings(service)
    assert not settings.is_dev
    assert settings.http_port == 8080


@SERVICES
def test_every_missing_setting_is_listed_at_once(service: type[ServiceSettings]) -> None:
    assert problems_of(service) == [
        f"MAGICLINK_{field.upper()}: is required"
        for field, info in service.model_fields.items()
        if info.is_required()
    ]


@SERVICES
def test_missing_wrong_unreadable_and_misspelt_settings_are_listed_together(
    service: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        monkeypatch,
        {
            "HTTP_PORT": "many",
            "REDIS_URL": "redis://cache",
            "REDIS_URL_FILE": "/nonexistent",
            "DATABASE_URL_FILE": "/nonexistent",
            "LOG_LEVELS": "info",
            "TRUSTED_PROXIES": "10.0.0.0/8,everybody",
        },
    )
    found = problems_of(service)
    assert "MAGICLINK_REDIS_URL: MAGICLINK_REDIS_URL_FILE is set too: keep one" in found
    assert (
        "MAGICLINK_DATABASE_URL: /nonexistent, named by MAGICLINK_DATABASE_URL_FILE, cannot be read: "
        "No such file or directory" in found
    )
    assert "MAGICLINK_TRUSTED_PROXIES: must be IP networks, separated by commas, such as 10.0.0.0/8" in found
    assert "MAGICLINK_PUBLIC_URL: is required" in found
    assert "MAGICLINK_LOG_LEVELS: no such setting; did you mean MAGICLINK_LOG_LEVEL?" in found
    assert any(line.startswith("MAGICLINK_HTTP_PORT: ") for line in found)


@SERVICES
def test_a_setting_may_come_from_a_file(
    service: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in COMPLETE[service].items():
        file = tmp_path / name
        file.write_text(value + "\n")
        put(monkeypatch, {f"{name}_FILE": str(file)})
    assert load_settings(service).database_url.get_secret_value() == COMMON["DATABASE_URL"]


def test_a_file_that_is_not_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff\xfe\x00")
    put(monkeypatch, {**COMPLETE[IssuerSettings], "KEYS_FILE": str(tmp_path / "keys")})
    monkeypatch.delenv("MAGICLINK_KEYS")
    assert problems_of(IssuerSettings) == [
        f"MAGICLINK_KEYS: {tmp_path / 'keys'}, named by MAGICLINK_KEYS_FILE, cannot be read: it is not UTF-8 text"
    ]


@pytest.mark.parametrize(("service", "field"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_no_message_repeats_a_value(
    service: type[ServiceSettings], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = "pl4nted-s3cret"
    put(monkeypatch, {**COMPLETE[service], field.upper(): f"1:{planted}:\x07 {planted} <{planted}>"})
    try:
        load_settings(service)
    except SettingsProblem as problem:
        assert planted not in str(problem)  # noqa: PT017 - many fields take any text


@pytest.mark.parametrize(("service", "field"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_no_service_takes_another_services_setting_for_a_typing_error(
    service: type[ServiceSettings], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in COMPLETE.keys() - {service}:
        put(monkeypatch, COMPLETE[other])
        if field not in other.model_fields:
            monkeypatch.setenv(f"MAGICLINK_{field.upper()}", "x")
        load_settings(other)
        monkeypatch.undo()


@SERVICES
def test_a_misspelt_setting_is_seen_in_both_forms(
    service: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, {**COMPLETE[service], "DATABSE_URL": "x", "REDIS_URLS_FILE": "x", "SOMETHING_ELSE": "x"})
    assert problems_of(service) == [
        "MAGICLINK_DATABSE_URL: no such setting; did you mean MAGICLINK_DATABASE_URL?",
        "MAGICLINK_REDIS_URLS_FILE: no such setting; did you mean MAGICLINK_REDIS_URL?",
    ]


@SERVICES
@pytest.mark.parametrize(
    "url",
    [
        "login.example",
        "https://user@login.example",
        "https://login.example#x",
        "https://login .example",
        "ftp://x",
    ],
)
def test_a_public_url_is_an_absolute_url_without_surprises(
    service: type[ServiceSettings], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, {**COMPLETE[service], "PUBLIC_URL": url, "ENVIRONMENT": "dev"})
    assert [line.partition(":")[0] for line in problems_of(service)] == ["MAGICLINK_PUBLIC_URL"]


@SERVICES
def test_links_go_over_https_outside_dev(
    service: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, {**COMPLETE[service], "PUBLIC_URL": "http://127.0.0.1:8002/"})
    assert problems_of(service) == ["MAGICLINK_PUBLIC_URL: must be https outside the dev environment"]
    put(monkeypatch, {"ENVIRONMENT": "dev"})
    settings: Any = load_settings(service)
    assert settings.public_url == "http://127.0.0.1:8002"


@SERVICES
def test_a_service_refuses_a_ring_that_could_forge_more_than_it_should(
    service: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, {**COMPLETE[service], "KEYS": MASTER})
    (line,) = problems_of(service)
    assert re.match(r"MAGICLINK_KEYS: (missing keys|holds keys this service must not have): ", line)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"TWILIO_ACCOUNT_SID": "AC1"}, "TWILIO_API_URL"),
        ({"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "x"}, "TWILIO_API_URL"),
        ({"SMTP_TLS": "none", "SMTP_PASSWORD": "x", "SMTP_USERNAME": "x"}, "SMTP_TLS"),
        ({"SENDING_LEASE_SECONDS": "20"}, "SENDING_LEASE_SECONDS"),
        ({"MAIL_FROM": "nobody"}, "MAIL_FROM"),
        ({"WHATSAPP_CONTENT_SIDS": "{login"}, "WHATSAPP_CONTENT_SIDS"),
        ({"WHATSAPP_CONTENT_SIDS": "[]"}, "WHATSAPP_CONTENT_SIDS"),
        ({"CALLBACK_URL": "notifier.example"}, "CALLBACK_URL"),
    ],
)
def test_the_notifier_refuses_settings_that_do_not_fit_together(
    values: dict[str, str], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, {**COMPLETE[NotifierSettings], **values})
    assert [line.partition(":")[0] for line in problems_of(NotifierSettings)] == [f"MAGICLINK_{field}"]


@pytest.mark.parametrize("from_file", [False, True])
def test_the_notifiers_whatsapp_templates_are_json_in_both_forms(
    from_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = '{"login": {"en": "HX1"}}'
    (tmp_path / "sids").write_text(text)
    given = (
        {"WHATSAPP_CONTENT_SIDS_FILE": str(tmp_path / "sids")}
        if from_file
        else {"WHATSAPP_CONTENT_SIDS": text}
    )
    put(monkeypatch, {**COMPLETE[NotifierSettings], **given})
    assert load_settings(NotifierSettings).whatsapp_content_sids == {"login": {"en": "HX1"}}
