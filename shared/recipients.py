"""E-mail addresses and phone numbers: one spelling each, and a masked form for pages and logs."""

import re
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

# What nearly everybody's address looks like: a dot-atom of ASCII (RFC 5322 §3.2.3), an `@`, a host name. The library takes 30 µs to say
# that it is one, and most of them for the domain, which thousands share: this takes 1 µs.
_PLAIN = re.compile(r"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)@([A-Za-z0-9.-]+)", re.ASCII)
_MOST_CHARS = 254  # RFC 5321 §4.5.3.1.3, as the library counts


class RecipientInvalid(ValueError):  # noqa: N818 - states the fact
    """The address or number is not valid. The message names the rule and never repeats the value."""


def normalize_email(text: str) -> str:
    """Return the one spelling of an address: NFC, domain in lower case and Unicode, local part in lower case.

    RFC 5321 lets local parts differ by case; no mailbox provider that people use does, and two accounts for
    `Ann@` and `ann@` would be a bug to everybody. Deliverability is not checked here: no DNS in a request.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None and len(text) <= _MOST_CHARS and _is_one_spelling(plain[2].lower()):
        return text.lower()
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise RecipientInvalid("is not a valid e-mail address") from None


@lru_cache(maxsize=10_000)
def _is_one_spelling(domain: str) -> bool:
    """Say whether a domain is one, and is written as it is kept: punycode (`xn--…`) is not."""
    try:
        return validate_email(f"x@{domain}", check_deliverability=False).domain == domain
    except EmailNotValidError:
        return False


@lru_cache(maxsize=10_000)
def normalize_domain(text: str) -> str:
    """Return the one spelling of an e-mail domain: lower case, in ASCII (IDNA)."""
    try:
        # Any local part will do: the library checks domains as parts of addresses.
        return (validate_email(f"x@{text}", check_deliverability=False).ascii_domain or "").lower()
    except EmailNotValidError:
        raise RecipientInvalid("is not the domain of an e-mail address, such as shop.example") from None


def domain_of(email: str) -> str:
    """Return the domain of a normalized address, as `normalize_domain` spells it."""
    return normalize_domain(email.rpartition("@")[2])


def normalize_phone(text: str) -> str:
    """Return the number in E.164 (`+4930123456`). It must be written with its country code."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise RecipientInvalid("is not a phone number with a country code, such as +4930123456") from None
    if not phonenumbers.is_valid_number(number):
        raise RecipientInvalid("is not a number that its country's numbering plan allows")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mask(address: str) -> str:
    """Return what a page may show of an address: enough for its owner, little for anybody else."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[0]}•••@{domain}"
    return f"{address[:3]}•••{address[-2:]}"
