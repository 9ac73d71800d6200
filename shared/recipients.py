"""E-mail addresses and phone numbers: one spelling each, and a masked form for pages and logs."""

import phonenumbers
from email_validator import EmailNotValidError, validate_email


class RecipientInvalid(ValueError):  # noqa: N818 - states the fact
    """The address or number is not valid. The message names the rule and never repeats the value."""


def normalize_email(text: str) -> str:
    """Return the one spelling of an address: NFC, domain in lower case and Unicode, local part in lower case.

    RFC 5321 lets local parts differ by case; no mailbox provider that people use does, and two accounts for
    `Ann@` and `ann@` would be a bug to everybody. Deliverability is not checked here: no DNS in a request.
    """
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise RecipientInvalid("is not a valid e-mail address") from None


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
