"""What the verifier refuses to start with."""

import pytest

from services.verifier.settings import VerifierSettings
from services.verifier.signing_keys import generate_signing_keys
from shared.keys import derive_ring, new_master
from shared.settings import SettingsProblem, load_settings


def test_every_mistake_is_named_at_once_and_no_secret_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = derive_ring(new_master(), "issuer")
    for name, value in {
        "MAGICLINK_DATABASE_URL": "postgresql://db",
        "MAGICLINK_REDIS_URL": "redis://cache",
        "MAGICLINK_KEYS": ring,
        "MAGICLINK_SIGNING_KEYS": '{"keys": []}',
        "MAGICLINK_PUBLIC_URL": "http://links.example",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsProblem) as problem:
        load_settings(VerifierSettings)
    said = str(problem.value)
    assert "MAGICLINK_KEYS: missing keys: 1:grant" in said
    assert "MAGICLINK_SIGNING_KEYS: no private key for EdDSA, ES256, RS256" in said
    assert "MAGICLINK_PUBLIC_URL: must be https" in said
    assert ring.splitlines()[0].rpartition(":")[2] not in said


def test_good_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MAGICLINK_DATABASE_URL": "postgresql://db",
        "MAGICLINK_REDIS_URL": "redis://cache",
        "MAGICLINK_KEYS": derive_ring(new_master(), "verifier"),
        "MAGICLINK_SIGNING_KEYS": generate_signing_keys(),
        "MAGICLINK_PUBLIC_URL": "https://links.example/",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(VerifierSettings)
    assert settings.public_url == "https://links.example"
    assert set(settings.signing.private) == {"EdDSA", "ES256", "RS256"}
