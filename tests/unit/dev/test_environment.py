"""What each service is told, and what it is not."""

from pathlib import Path

from services.dev.environment import Surroundings, service_environment
from services.dev.key_material import KeyMaterial, TwilioAccount
from services.dev.plan import SERVICES, Plan


def around(**own: str) -> Surroundings:
    keys = KeyMaterial(
        ring_files={service: Path(f"/secrets/{service}.keys") for service in SERVICES},
        signing_keys_file=Path("/secrets/signing_keys.json"),
        twilio=TwilioAccount("AC1", "the-auth-token"),
    )
    return Surroundings(
        database_urls={service: f"postgresql://{service}@/magiclink" for service in SERVICES},
        redis_url="redis://127.0.0.1:8007/0",
        kafka_bootstrap="127.0.0.1:8008",
        kafka_idempotence=False,
        ports=Plan(verifiers=2).choose_ports()
        | {"verifier": 8002, "notifier": 8003, "inbox": 8005, "inbox-smtp": 8006},
        keys=keys,
        own=own,
    )


def test_only_the_verifier_signs() -> None:
    assert "MAGICLINK_SIGNING_KEYS_FILE" in service_environment("verifier-2", around())
    assert "MAGICLINK_SIGNING_KEYS_FILE" not in service_environment("issuer", around())


def test_only_the_notifier_knows_the_providers() -> None:
    told = service_environment("notifier", around())
    assert told["MAGICLINK_SMTP_PORT"] == "8006"
    assert told["MAGICLINK_TWILIO_API_URL"] == "http://127.0.0.1:8005"
    assert not [
        name for name in service_environment("issuer", around()) if "SMTP" in name or "TWILIO" in name
    ]


def test_a_real_mail_server_replaces_the_inbox_whole() -> None:
    told = service_environment(
        "notifier", around(MAGICLINK_SMTP_HOST="mail.example.com", MAGICLINK_SMTP_PASSWORD_FILE="/p")
    )
    assert {name: value for name, value in told.items() if "SMTP" in name} == {
        "MAGICLINK_SMTP_HOST": "mail.example.com",
        "MAGICLINK_SMTP_PASSWORD_FILE": "/p",
    }
    assert told["MAGICLINK_TWILIO_API_URL"] == "http://127.0.0.1:8005"


def test_a_real_twilio_account_replaces_the_inbox_whole() -> None:
    told = service_environment(
        "notifier", around(MAGICLINK_TWILIO_ACCOUNT_SID="AC2", MAGICLINK_TWILIO_AUTH_TOKEN_FILE="/t")
    )
    assert "MAGICLINK_TWILIO_API_URL" not in told
    assert "MAGICLINK_TWILIO_FROM" not in told
    assert told["MAGICLINK_TWILIO_ACCOUNT_SID"] == "AC2"


def test_a_tunnels_address_becomes_that_of_the_links() -> None:
    told = service_environment("issuer", around(MAGICLINK_PUBLIC_URL="https://tunnel.example.com"))
    assert told["MAGICLINK_PUBLIC_URL"] == "https://tunnel.example.com"


def test_the_idempotent_producer_follows_the_broker() -> None:
    assert service_environment("issuer", around())["MAGICLINK_KAFKA_IDEMPOTENCE"] == "false"


def test_no_secret_stands_in_the_representation() -> None:
    assert "the-auth-token" not in repr(around())
