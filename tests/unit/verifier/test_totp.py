"""Codes of authenticator apps, against the RFC's own test vectors."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from services.verifier import totp

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("unix_seconds", "code"),
    [
        # RFC 6238 appendix B, SHA-1; it prints 8 digits, of which 6 are the last ones.
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_rfc(unix_seconds: int, code: str) -> None:
    assert totp.code_of(RFC_SECRET, totp.step_at(unix_seconds)) == code[-6:]


def test_the_counter_codes_are_those_of_rfc_4226() -> None:
    expected = [
        "755224",
        "287082",
        "359152",
        "969429",
        "338314",
        "254676",
        "287922",
        "162583",
        "399871",
        "520489",
    ]
    assert [totp.code_of(RFC_SECRET, step) for step in range(10)] == expected


@pytest.mark.parametrize(
    ("offset", "matches"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)]
)
def test_a_clock_may_be_one_step_off_and_no_more(offset: int, *, matches: bool) -> None:
    now = 1_800_000_015
    code = totp.code_of(RFC_SECRET, totp.step_at(now + offset))
    expected = totp.step_at(now + offset) if matches else None
    assert totp.matching_step(RFC_SECRET, code, now) == expected


@pytest.mark.parametrize("typed", ["287082", "287 082", " 287-082 ", "\uff12\uff18\uff17\uff10\uff18\uff12"])
def test_a_code_may_be_typed_as_people_read_it(typed: str) -> None:
    assert totp.matching_step(RFC_SECRET, typed, 59) == 1


@pytest.mark.parametrize("typed", ["", "28708", "2870820", "0287082", "abcdef", "28708\u0000", "٢٨٧٠٨٢"])
def test_what_is_no_code_is_wrong(typed: str) -> None:
    assert totp.matching_step(RFC_SECRET, typed, 59) is None


def test_the_first_step_has_none_before_it() -> None:
    assert totp.matching_step(RFC_SECRET, "755224", 0) == 0


def test_a_secret_is_read_as_it_was_told() -> None:
    secret = totp.new_secret()
    assert len(secret) == 20
    assert totp.read_secret(totp.secret_text(secret)) == secret
    spelled = " ".join(totp.secret_text(secret)[at : at + 4] for at in range(0, 32, 4)).lower()
    assert totp.read_secret(spelled) == secret


@pytest.mark.parametrize("text", ["", "AAAA", "not base32!", "1" * 32, "A" * 200, "é" * 32])
def test_what_is_no_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(totp.SecretInvalid) as refused:
        totp.read_secret(text)
    assert not text or text not in str(refused.value)


def test_the_uri_names_product_and_account() -> None:
    uri = totp.provisioning_uri(RFC_SECRET, "Example: Shop & Co", "ann+x@example.com")
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Example  Shop & Co:ann+x@example.com"
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Example  Shop & Co"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
