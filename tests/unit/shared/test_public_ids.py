from uuid import UUID, uuid4

import pytest

from shared.public_ids import base62, format_id, parse_base62, parse_id, parse_ulid, ulid

HIGHEST = UUID(int=2**128 - 1)
# The milliseconds and random bits of one ULID in its specification's canonical form.
KNOWN = UUID("01563e3a-b5d3-d676-4c61-efb99302bd5b")
FORMATS = ["{uuid}", "{ulid}", "{base62}", "user-test-{uuid}", "user_{ulid}", "u{base62}"]


def test_ids_are_written_as_their_standards_say() -> None:
    assert ulid(KNOWN) == "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    assert ulid(UUID(int=0)) == "0" * 26
    assert ulid(HIGHEST) == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    assert base62(UUID(int=0)) == "0" * 22
    assert base62(UUID(int=61)) == "0" * 21 + "z"
    assert format_id("user-test-{uuid}", KNOWN) == f"user-test-{KNOWN}"


@pytest.mark.parametrize("user_id_format", FORMATS)
@pytest.mark.parametrize("value", [UUID(int=0), HIGHEST, KNOWN, uuid4()])
def test_an_id_is_read_back_as_it_was_written(user_id_format: str, value: UUID) -> None:
    assert parse_id(user_id_format, format_id(user_id_format, value)) == value


@pytest.mark.parametrize(
    ("user_id_format", "text"),
    [
        ("{uuid}", str(KNOWN).upper()), ("{uuid}", KNOWN.hex), ("{uuid}", f"{{{KNOWN}}}"), ("{uuid}", f"urn:uuid:{KNOWN}"),
        ("{uuid}", ""), ("{uuid}", f" {KNOWN}"), ("user_{ulid}", ulid(KNOWN)), ("user_{ulid}", f"User_{ulid(KNOWN)}"),
        ("user_{ulid}", f"user_user_{ulid(KNOWN)}"), ("{ulid}", ulid(KNOWN).lower()), ("{ulid}", f"{ulid(KNOWN)}0"),
        ("{ulid}", "O" * 26), ("{ulid}", "8" + "Z" * 25), ("{ulid}", "\u0660" * 26), ("{base62}", "z" * 22), ("{base62}", "0"),
        ("{base62}", f"{base62(KNOWN)}0"), ("{base62}", "-" * 22), ("user-test-{uuid}", str(KNOWN)),
    ],
)  # fmt: skip
def test_another_spelling_names_nobody(user_id_format: str, text: str) -> None:
    assert parse_id(user_id_format, text) is None


def test_more_than_128_bits_are_no_id() -> None:
    assert parse_ulid("7ZZZZZZZZZZZZZZZZZZZZZZZZZ") == HIGHEST
    assert parse_ulid("80000000000000000000000000") is None
    assert parse_base62(base62(HIGHEST)) == HIGHEST
    assert parse_base62("8" + base62(HIGHEST)[1:]) is None
