import hmac
import string
import time
import uuid
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import tokens
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.tokens import (
    ALPHABET,
    TOKEN_CHARS,
    LinkRef,
    attempt_id,
    make_grant,
    make_token,
    new_link_id,
    new_link_ids,
    read_grant,
    read_token,
)

MASTER_A = new_master("a")
RING = KeyRing.parse(derive_ring(MASTER_A, "verifier"), SERVICE_PURPOSES["verifier"])
LINK_IDS = st.uuids()


@given(LINK_IDS)
def test_a_token_reads_back_as_its_link(link_id: UUID) -> None:
    token = make_token(RING, link_id)
    assert len(token) == TOKEN_CHARS == 39
    assert set(token) <= set(string.ascii_letters + string.digits)
    assert read_token(RING, token) == LinkRef("a", link_id)
    assert make_token(RING, link_id) == token


@given(LINK_IDS, st.integers(0, TOKEN_CHARS - 1), st.sampled_from(ALPHABET))
def test_every_change_of_one_character_is_refused(link_id: UUID, place: int, other: str) -> None:
    token = make_token(RING, link_id)
    changed = token[:place] + other + token[place + 1 :]
    assert changed == token or read_token(RING, changed) is None


def test_a_token_has_one_spelling() -> None:
    # 38 digits reach past 28 bytes: to a careless reader this would be the same link.
    token = make_token(RING, new_link_id())
    number = 0
    for character in token[1:]:
        number = number * 62 + ALPHABET.index(character)
    wrapped, digits = number + 2**224, ""
    for _ in range(38):
        wrapped, digit = divmod(wrapped, 62)
        digits = ALPHABET[digit] + digits
    assert wrapped == 0
    assert read_token(RING, "a" + digits) is None
    assert read_token(RING, "a" + "z" * 38) is None


@given(st.text(max_size=60))
def test_garbage_is_refused_without_a_fault(text: str) -> None:
    assert read_token(RING, text) is None
    assert read_token(RING, "a" + text) is None


@pytest.mark.parametrize(
    "text", ["", "a" * 38, "a" * 40, "a" + "é" * 38, "a" + "٣" * 38, "a" * 38 + "\n", "9" + "a" * 38]
)
def test_what_has_not_the_form_of_a_token_is_refused(text: str) -> None:
    assert read_token(RING, text) is None


@given(LINK_IDS)
def test_a_value_made_for_one_purpose_is_worthless_for_another(link_id: UUID) -> None:
    assert read_grant(RING, make_token(RING, link_id)) is None
    assert read_token(RING, make_grant(RING, LinkRef("a", link_id))) is None
    assert read_grant(RING, make_grant(RING, LinkRef("a", link_id))) == LinkRef("a", link_id)


def test_another_installations_token_is_refused() -> None:
    other = KeyRing.parse(derive_ring(new_master("a"), "verifier"), SERVICE_PURPOSES["verifier"])
    assert read_token(RING, make_token(other, new_link_id())) is None


def test_after_a_rotation_the_new_key_signs_and_old_links_keep_their_url() -> None:
    link_id = new_link_id()
    old_token = make_token(RING, link_id)
    rotated = KeyRing.parse(
        derive_ring(f"{new_master('b')}\n{MASTER_A}", "verifier"), SERVICE_PURPOSES["verifier"]
    )
    assert make_token(rotated, link_id)[0] == "b"
    assert read_token(rotated, old_token) == LinkRef("a", link_id)
    assert make_token(rotated, link_id, "a") == old_token
    # The same link under the new key is another token, and names the key it was made with.
    assert read_token(rotated, "b" + old_token[1:]) is None


def test_a_dropped_key_verifies_nothing_any_more() -> None:
    dropped = KeyRing.parse(derive_ring(new_master("b"), "verifier"), SERVICE_PURPOSES["verifier"])
    assert read_token(dropped, make_token(RING, new_link_id())) is None


def test_the_mac_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def recording(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return False

    monkeypatch.setattr(hmac, "compare_digest", recording)
    assert read_token(RING, make_token(RING, new_link_id())) is None
    assert [(len(a), len(b)) for a, b in compared] == [(tokens.MAC_BYTES, tokens.MAC_BYTES)]


@given(st.integers(0, 0xFFF))
def test_a_link_id_carries_its_shard(shard: int) -> None:
    link_id = new_link_id(shard)
    assert (link_id.int >> 64) & 0xFFF == shard
    assert link_id.version == 7
    assert (link_id.int >> 62) & 0b11 == 0b10


def test_link_ids_are_ordered_by_time() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = new_link_id().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000
    assert len({new_link_id() for _ in range(1000)}) == 1000


def test_many_link_ids_are_made_as_each_is() -> None:
    before = time.time_ns() // 1_000_000
    made = new_link_ids(1000)
    assert len(set(made)) == 1000
    assert new_link_ids(0) == []
    assert {(link_id.version, link_id.variant) for link_id in made} == {(7, uuid.RFC_4122)}
    assert all(before <= link_id.int >> 80 <= time.time_ns() // 1_000_000 for link_id in made)
    # The shard is none; every other bit is random.
    anywhere, everywhere = 0, (1 << 128) - 1
    for link_id in made:
        anywhere, everywhere = anywhere | link_id.int, everywhere & link_id.int
    assert (anywhere & ((1 << 76) - 1), everywhere & ((1 << 76) - 1)) == ((1 << 64) - 1 & ~(1 << 62), 1 << 63)
    assert made[0] == UUID(str(made[0]))
    assert hash(made[0]) == hash(UUID(str(made[0])))


@given(LINK_IDS, st.text(max_size=80), st.text(max_size=80))
def test_the_same_holder_is_the_same_attempt_and_nobody_else_is(
    link_id: UUID, holder: str, other: str
) -> None:
    link = LinkRef("a", link_id)
    assert attempt_id(RING, link, holder) == attempt_id(RING, link, holder)
    assert holder == other or attempt_id(RING, link, holder) != attempt_id(RING, link, other)
    assert attempt_id(RING, link, holder) != attempt_id(RING, LinkRef("a", new_link_id()), holder)
