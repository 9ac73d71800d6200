"""One-time codes of an authenticator app (RFC 6238): SHA-1, 6 digits, steps of 30 seconds. Pure.

SHA-1 is what every authenticator app computes, whatever the URI asks for; in an HMAC its collisions are of no use (RFC 6194 §3.3).
"""

import base64
import binascii
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote, urlencode

DIGITS = 6
STEP_SECONDS = 30
SECRET_BYTES = 20
"""As long as the MAC, as RFC 4226 §4 recommends."""
# A phone's clock may be half a minute off, in either direction (RFC 6238 §5.2).
_STEPS_AROUND = (-1, 0, 1)
_SHORTEST_BYTES, _LONGEST_BYTES = 10, 64
_SEPARATORS = re.compile(r"[\s-]")


class SecretInvalid(ValueError):  # noqa: N818 - states the fact
    """The text is no secret of an authenticator app. The message names the rule, never the text."""


def new_secret() -> bytes:
    """Make a secret of 160 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def read_secret(text: str) -> bytes:
    """Read base32 as people copy it: any case, with or without spaces and padding. Raises `SecretInvalid`."""
    plain = _SEPARATORS.sub("", text).upper().rstrip("=")
    try:
        secret = base64.b32decode(plain + "=" * (-len(plain) % 8))
    except (binascii.Error, ValueError):
        raise SecretInvalid("must be base32 (RFC 4648 §6)") from None
    if not _SHORTEST_BYTES <= len(secret) <= _LONGEST_BYTES:
        raise SecretInvalid(f"must have {_SHORTEST_BYTES} to {_LONGEST_BYTES} bytes")
    return secret


def secret_text(secret: bytes) -> str:
    """Return base32 without padding, as authenticator apps take it."""
    return base64.b32encode(secret).decode().rstrip("=")


def provisioning_uri(secret: bytes, product: str, account: str) -> str:
    """Return the `otpauth:` URI that becomes a QR code (the Key URI Format of Google Authenticator). It holds the secret."""
    # A colon parts the two names, so neither may have one.
    issuer, name = product.replace(":", " ").strip(), account.replace(":", " ").strip()
    label = f"{quote(issuer, safe='')}:{quote(name, safe='@')}"
    query = {
        "secret": secret_text(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"


def step_at(unix_seconds: float) -> int:
    """Return the step that a moment lies in."""
    return int(unix_seconds) // STEP_SECONDS


def code_of(secret: bytes, step: int) -> str:
    """Return the code of a step (RFC 4226 §5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 0x0F
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching_step(secret: bytes, typed: str, unix_seconds: float) -> int | None:
    """Return the step whose code was typed, None for a wrong code. Whether that step was used before is not asked here."""
    now, plain = step_at(unix_seconds), plain_code(typed).encode()
    # Every step is compared, whichever matches: the time taken tells nothing.
    found = [step for step in _around(now) if hmac.compare_digest(code_of(secret, step).encode(), plain)]
    return max(found, default=None)


def plain_code(typed: str) -> str:
    """Return the one spelling of a typed code: `123 456` and full-width digits are the same code."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", typed))


def _around(step: int) -> Iterable[int]:
    return [step + offset for offset in _STEPS_AROUND if step + offset >= 0]
