import pytest

from services.operator.key_rotation import RotationRefused, activate, drop, kids_of, stage, staged_kid
from shared.idempotency import hash_body
from shared.keys import KIDS, SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.tokens import LinkRef, attempt_id, make_grant, make_passcode, make_token, new_link_id, read_token


def ring_of(master: str, service: str) -> KeyRing:
    return KeyRing.parse(derive_ring(master, service), SERVICE_PURPOSES[service])


def test_a_staged_key_verifies_and_does_not_sign_an_activated_one_does_both() -> None:
    old = new_master("1")
    staged = stage(old)
    active = activate(staged)
    assert (kids_of(staged), kids_of(active)) == (["1", "2"], ["2", "1"])
    link = new_link_id()
    assert make_token(ring_of(staged, "issuer"), link) == make_token(ring_of(old, "issuer"), link)
    # While the second step is rolled out, each replica reads what the other makes.
    for maker, reader in ((active, staged), (staged, active), (old, active)):
        token = make_token(ring_of(maker, "issuer"), link)
        assert read_token(ring_of(reader, "verifier"), token) == LinkRef(kids_of(maker)[0], link)


def test_activating_what_was_not_rolled_out_is_what_the_two_steps_prevent() -> None:
    old = new_master("1")
    token = make_token(ring_of(activate(stage(old)), "issuer"), new_link_id())
    assert read_token(ring_of(old, "verifier"), token) is None


def test_everything_of_an_older_link_stays_the_same_across_a_rotation() -> None:
    old = new_master("1")
    new = activate(stage(old))
    link = LinkRef("1", new_link_id())
    before, after = ring_of(old, "verifier"), ring_of(new, "verifier")
    assert make_token(after, link.link_id, "1") == make_token(before, link.link_id)
    assert make_grant(after, link) == make_grant(before, link)
    assert make_passcode(after, link, 0, "digits:6") == make_passcode(before, link, 0, "digits:6")
    # The winner may ask again: its attempt has the same id.
    assert attempt_id(after, link, "holder") == attempt_id(before, link, "holder")


def test_a_repeated_request_is_recognized_across_a_rotation_from_both_sides() -> None:
    old = new_master("1")
    staged, active = stage(old), activate(stage(old))
    stored = {
        name: hash_body(ring_of(ring, "issuer"), "s", b"body")
        for name, ring in (("old", old), ("new", active))
    }
    assert (stored["old"].newest[:1], stored["new"].newest[:1]) == (b"1", b"2")
    assert hash_body(ring_of(active, "issuer"), "s", b"body").matches(stored["old"].newest)
    again = activate(staged)
    assert hash_body(ring_of(staged, "issuer"), "s", b"body").matches(
        hash_body(ring_of(again, "issuer"), "s", b"body").newest
    )
    assert not hash_body(ring_of(active, "issuer"), "s", b"other").matches(stored["old"].newest)


def test_steps_out_of_order_are_refused() -> None:
    old = new_master("1")
    with pytest.raises(RotationRefused, match="no key is staged"):
        activate(old)
    with pytest.raises(RotationRefused, match="staged already"):
        stage(stage(old))
    rotated = activate(stage(old))
    # A second --activate would make the old key sign again.
    with pytest.raises(RotationRefused, match="no key is staged"):
        activate(rotated)
    with pytest.raises(RotationRefused, match="key 2 signs"):
        drop(rotated, "2")
    with pytest.raises(RotationRefused, match="no key 9"):
        drop(rotated, "9")
    assert kids_of(drop(rotated, "1")) == ["2"]


def test_key_ids_go_round_and_are_never_taken_twice() -> None:
    ring = new_master("z")
    seen = []
    for _ in range(len(KIDS) + 3):
        ring = activate(stage(ring))
        seen.append(kids_of(ring)[0])
        assert staged_kid(kids_of(ring)) is None
        ring = drop(ring, kids_of(ring)[-1])
    assert seen[:3] == ["0", "1", "2"]
    assert kids_of(stage(new_master("a"), "Q")) == ["a", "Q"]
    assert kids_of(activate(stage(new_master("a"), "Q"), "Q")) == ["Q", "a"]
    with pytest.raises(RotationRefused, match="there is a key a"):
        stage(new_master("a"), "a")
