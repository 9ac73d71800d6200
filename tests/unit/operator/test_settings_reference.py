import pytest

from services.operator.settings_reference import MODELS, SERVICES, markdown, settings_of, text
from shared.settings import PREFIX

ALL = [(name, setting) for name in MODELS for setting in settings_of(name)]


@pytest.mark.parametrize(("name", "setting"), ALL, ids=lambda value: getattr(value, "name", value))
def test_every_setting_says_what_it_does(name: str, setting: object) -> None:
    found = next(each for each in settings_of(name) if each is setting or each == setting)
    assert found.description.endswith((".", "`", ")")), found
    assert found.name.startswith(PREFIX)


def test_secrets_show_no_default_and_are_named_as_such() -> None:
    secrets = {setting.name: setting for _, setting in ALL if setting.secret}
    assert {"MAGICLINK_KEYS", "MAGICLINK_DATABASE_URL", "MAGICLINK_SMTP_PASSWORD"} <= secrets.keys()
    assert all(setting.type == "secret text" and setting.default is None for setting in secrets.values())


def test_types_bounds_and_defaults_are_written_for_people() -> None:
    found = {setting.name: setting for setting in settings_of("notifier")}
    assert found["MAGICLINK_LOG_LEVEL"].type == "debug | info | warning | error"
    assert found["MAGICLINK_HTTP_PORT"].type == "integer, 0 to 65,535"
    assert found["MAGICLINK_REQUEST_TIMEOUT_SECONDS"].type == "number, above 0, at most 300"
    assert found["MAGICLINK_KAFKA_IDEMPOTENCE"].default == "true"
    assert (found["MAGICLINK_DATABASE_URL"].required, found["MAGICLINK_SMTP_USERNAME"].required) == (
        True,
        False,
    )


def test_workers_are_among_the_settings_of_services_only() -> None:
    having = [
        name for name in MODELS if "MAGICLINK_WORKERS" in {setting.name for setting in settings_of(name)}
    ]
    assert having == list(SERVICES)


def test_both_forms_name_every_setting() -> None:
    for name in MODELS:
        for setting in settings_of(name):
            assert f"| `{setting.name}` |" in markdown((name,))
            assert f"  {setting.name}  (" in text((name,))
    assert "debug \\| info" in markdown(("issuer",)), "a bar would end the table's cell"
