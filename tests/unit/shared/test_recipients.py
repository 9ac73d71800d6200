import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from shared.recipients import (
    RecipientInvalid,
    domain_of,
    mask,
    normalize_domain,
    normalize_email,
    normalize_phone,
)


@pytest.mark.parametrize(
    ("given_text", "spelling"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("ann@bücher.example", "ann@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@bücher.example"),
        ("Jürgen@Example.com", "jürgen@example.com"),
        ("ju\N{COMBINING DIAERESIS}rgen@example.com", "jürgen@example.com"),
        ("ann+work@example.com", "ann+work@example.com"),
    ],
)
def test_an_address_has_one_spelling(given_text: str, spelling: str) -> None:
    assert normalize_email(given_text) == spelling


@pytest.mark.parametrize(
    "text",
    [
        "", "ann", "@example.com", "ann@", "ann@localhost", "ann@example", "a b@example.com", "ann@exa mple.com",
        "ann@example.com\nBcc: eve@evil.example", "ann@@example.com", "ann@[127.0.0.1]", '"ann"@example.com',
        "Ann <ann@example.com>", "ann@example.com,eve@evil.example", "ann@example.com\0", "ann@-x.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(RecipientInvalid) as refused:
        normalize_email(text)
    assert str(refused.value) == "is not a valid e-mail address"


@given(st.emails() | st.text(max_size=30).map(lambda local: f"{local}@example.com"))
def test_the_spelling_of_a_spelling_is_itself(text: str) -> None:
    try:
        spelling = normalize_email(text)
    except RecipientInvalid:
        return
    assert normalize_email(spelling) == spelling


@pytest.mark.parametrize("text", ["+4930123456", "+49 30 123456", "+49 (0)30 123456", " +49-30-123456"])
def test_a_number_has_one_spelling(text: str) -> None:
    assert normalize_phone(text) == "+4930123456"


@pytest.mark.parametrize(
    "text", ["", "030123456", "+", "+49", "+4930123456789012345", "+1 555", "ann", "+999 1234567"]
)
def test_what_is_no_number_with_a_country_code_is_refused(text: str) -> None:
    with pytest.raises(RecipientInvalid):
        normalize_phone(text)


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("ann.smith@example.com", "a•••@example.com"),
        ("x@example.com", "x•••@example.com"),
        ("+4930123456", "+49•••56"),
    ],
)
def test_a_masked_address_is_enough_for_its_owner_only(address: str, masked: str) -> None:
    assert mask(address) == masked


@pytest.mark.parametrize(
    ("domain", "spelt"),
    [
        ("Shop.Example", "shop.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_has_one_spelling(domain: str, spelt: str) -> None:
    assert normalize_domain(domain) == spelt
    assert domain_of(normalize_email(f"ann@{domain}")) == spelt


@pytest.mark.parametrize(
    "text", ["", "shop", "a b.example", "x@shop.example", "*.shop.example", "shop.example."]
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(RecipientInvalid):
        normalize_domain(text)


ODD_TEXT = st.text("aB1._+-'@!<>\"()[]\\ \n\t\0ü\u0308\u0301\uff20.", max_size=12)
DOMAINS = st.sampled_from(
    ["example.com", "EXAMPLE.com", "x.test", "x.localhost", "xn--bcher-kva.example", "a..b", "-a.example", "a_b.example", "a.1", "ex ample.com"]
)  # fmt: skip


@given(st.emails() | st.builds("{}@{}".format, ODD_TEXT, DOMAINS | ODD_TEXT) | ODD_TEXT)
def test_the_short_way_says_what_the_library_says(text: str) -> None:
    # Both ways, for what is an address and for what is none: the short way must let nothing through, and spell nothing differently.
    try:
        said = validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        with pytest.raises(RecipientInvalid):
            normalize_email(text)
        return
    assert normalize_email(text) == said


@pytest.mark.parametrize(("chars", "is_valid"), [(254, True), (255, False)])
def test_an_address_has_at_most_254_characters(chars: int, is_valid: bool) -> None:
    text = f"{'a' * (chars - len('@example.com'))}@example.com"
    if is_valid:
        assert normalize_email(text) == text
    else:
        with pytest.raises(RecipientInvalid):
            normalize_email(text)
