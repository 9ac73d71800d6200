from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.tokens import PASSCODE_ALPHABETS, LinkRef, make_passcode

MASTER_TEXT = new_master("a")
RING = KeyRing.parse(derive_ring(MASTER_TEXT, "issuer"), SERVICE_PURPOSES["issuer"])


@given(st.uuids(), st.sampled_from(sorted(PASSCODE_ALPHABETS)), st.integers(6, 32))
def test_a_passcode_has_its_length_and_its_alphabet(link_id: UUID, strategy: str, length: int) -> None:
    passcode = make_passcode(RING, LinkRef("a", link_id), 0, f"{strategy}:{length}")
    assert len(passcode) == length
    assert set(passcode) <= set(PASSCODE_ALPHABETS[strategy])


@pytest.mark.parametrize("length", [6, 32])
def test_bytes_are_written_as_two_hex_digits_each(length: int) -> None:
    assert len(bytes.fromhex(make_passcode(RING, LinkRef("a", UUID(int=1)), 0, f"bytes:{length}"))) == length


def test_letters_that_look_like_digits_are_left_out() -> None:
    assert not set("IO") & set(PASSCODE_ALPHABETS["letters"] + PASSCODE_ALPHABETS["alphanumeric"])
    assert not set("01") & set(PASSCODE_ALPHABETS["alphanumeric"])


@given(st.uuids(), st.integers(0, 2**31 - 1))
def test_a_resend_makes_another_passcode_and_the_old_epoch_the_old_one(link_id: UUID, epoch: int) -> None:
    link = LinkRef("a", link_id)
    first = make_passcode(RING, link, epoch, "alphanumeric:32")
    assert first == make_passcode(RING, link, epoch, "alphanumeric:32")
    assert first != make_passcode(RING, link, epoch + 1, "alphanumeric:32")


def test_notifier_and_issuer_derive_the_same_passcode() -> None:
    notifier = KeyRing.parse(derive_ring(MASTER_TEXT, "notifier"), SERVICE_PURPOSES["notifier"])
    link = LinkRef("a", UUID(int=7))
    assert make_passcode(RING, link, 0, "digits:6") == make_passcode(notifier, link, 0, "digits:6")


@pytest.mark.parametrize("place", range(6))
def test_every_digit_is_equally_likely_in_every_place(place: int) -> None:
    passcodes = (make_passcode(RING, LinkRef("a", UUID(int=n)), 0, "digits:6") for n in range(5000))
    counts = Counter(passcode[place] for passcode in passcodes)
    # Chi-squared, 9 degrees of freedom: 45 has a probability below 1e-6, and the key is random in every run.
    assert sum((counts[digit] - 500) ** 2 / 500 for digit in "0123456789") < 45
