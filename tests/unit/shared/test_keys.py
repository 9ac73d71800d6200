import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.keys import MASTER, PURPOSES, SERVICE_PURPOSES, KeyRing, KeyRingInvalid, derive_ring, new_master

KEY = "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def parse(text: str) -> KeyRing:
    return KeyRing.parse(text, ["link"])


@pytest.mark.parametrize("service", SERVICE_PURPOSES)
def test_a_service_gets_the_keys_of_its_purposes_and_no_master(service: str) -> None:
    ring = KeyRing.parse(derive_ring(new_master(), service), SERVICE_PURPOSES[service])
    assert set(ring.newest) == set(SERVICE_PURPOSES[service])
    assert MASTER not in ring.newest


def test_every_purpose_has_a_key_of_its_own() -> None:
    ring = KeyRing.parse(derive_ring(new_master(), "verifier"), SERVICE_PURPOSES["verifier"])
    assert len(set(ring.keys.values())) == len(SERVICE_PURPOSES["verifier"])


def test_services_derive_the_same_key_for_the_same_purpose() -> None:
    master = new_master()
    rings = [KeyRing.parse(derive_ring(master, name), SERVICE_PURPOSES[name]) for name in SERVICE_PURPOSES]
    assert len({ring.key("link", "1") for ring in rings}) == 1


def test_the_first_key_signs_and_every_key_verifies() -> None:
    text = derive_ring(f"{new_master('b')}\n{new_master('a')}", "notifier")
    ring = KeyRing.parse(text, SERVICE_PURPOSES["notifier"])
    assert ring.newest == dict.fromkeys(SERVICE_PURPOSES["notifier"], "b")
    assert ring.key("link", "a") is not None
    assert ring.key("link", "c") is None


def test_a_ring_shows_no_key_in_any_representation() -> None:
    ring = parse(f"1:link:{KEY}")
    assert "deadbeef" not in (repr(ring) + str(ring)).replace("\\x", "")
    assert repr(ring) == "<KeyRing of 1 keys>"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "missing keys: link"),
        ("1:passcode:" + KEY, "missing keys: 1:link"),
        (f"1:link:{KEY} 2:grant:{KEY}", "missing keys: 2:link"),
        (f"1:link:{KEY} 1:grant:{KEY}", "must not have: grant"),
        (f"1:link:{KEY} 1:link:{KEY}", "line 2: key '1' for 'link' stands twice"),
        (f"1:link:{KEY} {KEY}", "line 2: expected kid:purpose:key"),
        (f"12:link:{KEY}", "line 1: the key id must be one letter or digit"),
        (f"ü:link:{KEY}", "line 1: the key id must be one letter or digit"),
        ("1:link:!!!!", "line 1: the key is not base64url"),
        ("1:link:3q2-7w", "line 1: the key must have 32 bytes, this one has 4"),
        (f"1:{KEY}:link", "line 1: unknown purpose"),
    ],
)
def test_a_bad_ring_is_refused_by_line_and_rule(text: str, rule: str) -> None:
    with pytest.raises(KeyRingInvalid, match=rule):
        parse(text)


@given(st.text(max_size=200))
def test_no_message_repeats_what_stood_in_the_ring(noise: str) -> None:
    for text in (f"1:{KEY}{noise}:link", f"1:link:{KEY}{noise}:", f"{KEY}:link:{noise}"):
        with pytest.raises(KeyRingInvalid) as refused:
            parse(text)
        assert KEY not in str(refused.value)


def test_a_purpose_is_derived_by_every_service_that_signs_with_it() -> None:
    used = {purpose for purposes in SERVICE_PURPOSES.values() for purpose in purposes}
    assert used == set(PURPOSES)
