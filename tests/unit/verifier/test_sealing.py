"""Secrets of second factors at rest."""

from uuid import uuid4

from services.verifier.sealing import FactorOf, newest_kid, seal, unseal
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master

RING = KeyRing.parse(derive_ring(new_master(), "verifier"), SERVICE_PURPOSES["verifier"])
KID = newest_kid(RING)
SECRET = b"12345678901234567890"


def test_a_sealed_secret_is_read_with_its_row_only() -> None:
    factor = FactorOf(uuid4(), uuid4())
    sealed = seal(RING, KID, factor, SECRET)
    assert unseal(RING, KID, factor, sealed) == SECRET
    # Whoever can write to the table gives nobody another user's secret.
    assert unseal(RING, KID, factor._replace(factor_id=uuid4()), sealed) is None
    assert unseal(RING, KID, factor._replace(user_id=uuid4()), sealed) is None


def test_what_was_changed_is_not_read() -> None:
    factor = FactorOf(uuid4(), uuid4())
    sealed = seal(RING, KID, factor, SECRET)
    for at in range(len(sealed)):
        changed = bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]])
        assert unseal(RING, KID, factor, changed) is None
    assert unseal(RING, KID, factor, b"") is None
    assert unseal(RING, "z", factor, sealed) is None


def test_the_same_secret_is_never_sealed_the_same_way() -> None:
    factor = FactorOf(uuid4(), uuid4())
    assert seal(RING, KID, factor, SECRET) != seal(RING, KID, factor, SECRET)
    assert SECRET not in seal(RING, KID, factor, SECRET)
