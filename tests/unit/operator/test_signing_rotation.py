import orjson
import pytest

from services.operator.key_rotation import RotationRefused
from services.operator.signing_rotation import (
    KEEP_SECONDS,
    activate,
    drop,
    droppable,
    read,
    signing_kids,
    stage,
    write,
)
from services.verifier.answer import JWT_TTL
from services.verifier.signing_keys import JWKS_SECONDS, SigningKeys, generate_signing_keys

NOW = 1_000_000.0


@pytest.fixture(scope="module")
def old() -> str:
    return generate_signing_keys()


@pytest.fixture(scope="module")
def staged(old: str) -> str:
    return write(stage(read(old), NOW))


def published(text: str) -> list[str]:
    return [key["kid"] for key in SigningKeys.parse(text).jwks["keys"]]


def test_staged_keys_are_published_and_do_not_sign(old: str, staged: str) -> None:
    assert len(published(staged)) == 6
    assert signing_kids(read(staged)) == signing_kids(read(old))


def test_activated_keys_sign_and_the_old_ones_stay_published(old: str, staged: str) -> None:
    active = activate(read(staged), NOW + JWKS_SECONDS)
    assert set(published(write(active))) == set(published(staged))
    assert not signing_kids(active) & signing_kids(read(old))


def test_marks_and_private_parts_are_not_published(staged: str) -> None:
    active = write(activate(read(staged), NOW + JWKS_SECONDS))
    public = orjson.dumps(SigningKeys.parse(active).jwks)
    assert b"retired_at" in active.encode()
    for secret in (b'"d"', b"staged_at", b"retired_at"):
        assert secret not in public


def test_keys_are_activated_only_when_every_product_has_seen_them(old: str, staged: str) -> None:
    with pytest.raises(RotationRefused, match="1 s more"):
        activate(read(staged), NOW + JWKS_SECONDS - 1)
    assert activate(read(staged), NOW, force=True)
    with pytest.raises(RotationRefused, match="no key is staged"):
        activate(read(old), NOW)
    with pytest.raises(RotationRefused, match="staged already"):
        stage(read(staged), NOW)


def test_an_old_key_is_dropped_only_after_its_last_jwt(old: str, staged: str) -> None:
    at = NOW + JWKS_SECONDS
    active = activate(read(staged), at)
    kids = sorted(signing_kids(read(old)))
    with pytest.raises(RotationRefused, match="for 1 s more"):
        drop(active, kids, at + KEEP_SECONDS - 1)
    assert droppable(active, at + KEEP_SECONDS - 1) == []
    assert sorted(droppable(active, at + KEEP_SECONDS)) == kids
    left = drop(active, kids, at + KEEP_SECONDS)
    assert (len(left), signing_kids(left)) == (3, signing_kids(active))
    assert len(drop(active, kids, at, force=True)) == 3
    assert JWT_TTL.total_seconds() + JWKS_SECONDS == KEEP_SECONDS


def test_a_key_that_signs_and_one_that_is_unknown_are_not_dropped(old: str, staged: str) -> None:
    signing = next(iter(signing_kids(read(old))))
    with pytest.raises(RotationRefused, match=r"signs: activate another one first\n.*there is no key x"):
        drop(read(staged), [signing, "x"], NOW, force=True)
    waiting = [key["kid"] for key in read(staged) if "staged_at" in key]
    assert write(drop(read(staged), waiting, NOW))
