"""The key ring: one key per purpose and key id, derived from a master key.

A key ring is text, one key a line, newest first::

    b:link:3q2-7wAA...      <kid>:<purpose>:<32 bytes, base64url>

The first `kid` of a purpose signs, every line verifies. A master ring has the purpose `master`. Services are never given
the master: `derive_ring` makes the ring of one service, so that a stolen notifier cannot forge a grant (DESIGN §3).
"""

import base64
import binascii
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
MASTER = "master"
KIDS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# `idempotency` keys the stored hash of a request body: bodies hold addresses, and a bare hash of one can be guessed.
# `poll` is for who waits for a link to be used elsewhere, `totp` encrypts the secrets of second factors.
PURPOSES = (
    "link", "passcode", "grant", "replay", "pairing", "lookup", "idempotency", "poll", "session", "refresh", "challenge", "trust",
    "totp", "webhook",
)  # fmt: skip
SERVICE_PURPOSES: Mapping[str, tuple[str, ...]] = {
    "issuer": ("link", "passcode", "idempotency", "lookup", "poll", "webhook"),
    "notifier": ("link", "passcode", "poll", "webhook"),
    "verifier": (
        "link", "passcode", "grant", "replay", "pairing", "lookup", "poll", "session", "refresh", "challenge", "trust", "totp",
    ),
}  # fmt: skip


class KeyRingInvalid(ValueError):  # noqa: N818 - states the fact; the family of request errors is in shared.errors
    """The text is no key ring. The message names the line and the rule, never the key."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyRing:
    """Keys by purpose and key id. Holds secrets: it has no representation that shows them."""

    keys: Mapping[tuple[str, str], bytes]
    newest: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, purposes: Iterable[str]) -> "KeyRing":
        """Read a ring that must hold each of `purposes`, for the same key ids. Raises `KeyRingInvalid`."""
        keys: dict[tuple[str, str], bytes] = {}
        newest: dict[str, str] = {}
        for number, line in enumerate(text.split(), start=1):
            kid, purpose, key = _parse_line(number, line)
            if (purpose, kid) in keys:
                raise KeyRingInvalid(f"line {number}: key {kid!r} for {purpose!r} stands twice")
            keys[purpose, kid] = key
            newest.setdefault(purpose, kid)
        _check_complete(keys, tuple(purposes))
        return cls(keys, newest)

    def key(self, purpose: str, kid: str) -> bytes | None:
        """Return the key, or None when the ring does not (or no longer) hold it."""
        return self.keys.get((purpose, kid))

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self.keys)} keys>"


def new_master(kid: str = "1") -> str:
    """Make a master ring with one random key."""
    return _line(kid, MASTER, secrets.token_bytes(KEY_BYTES))


def derive_ring(master_text: str, service: str) -> str:
    """Make the ring text of a service from the master ring: HKDF-SHA-256 (RFC 5869), the purpose as info."""
    master = KeyRing.parse(master_text, [MASTER])
    lines = [
        _line(kid, purpose, _derive(key, purpose))
        for purpose in SERVICE_PURPOSES[service]
        for (_, kid), key in master.keys.items()
    ]
    return "\n".join(lines)


def _derive(master: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"magiclink/" + purpose.encode()).derive(master)


def _line(kid: str, purpose: str, key: bytes) -> str:
    return f"{kid}:{purpose}:{base64.urlsafe_b64encode(key).decode().rstrip('=')}"


def _parse_line(number: int, line: str) -> tuple[str, str, bytes]:
    parts = line.split(":")
    if len(parts) != 3:
        raise KeyRingInvalid(f"line {number}: expected kid:purpose:key")
    kid, purpose, encoded = parts
    if len(kid) != 1 or kid not in KIDS:
        raise KeyRingInvalid(f"line {number}: the key id must be one letter or digit")
    if purpose not in (*PURPOSES, MASTER):
        # Not repeated: in a line with its parts in the wrong order this is the key.
        raise KeyRingInvalid(f"line {number}: unknown purpose, there are {', '.join(PURPOSES)}")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise KeyRingInvalid(f"line {number}: the key is not base64url") from None
    if len(key) != KEY_BYTES:
        raise KeyRingInvalid(f"line {number}: the key must have {KEY_BYTES} bytes, this one has {len(key)}")
    return kid, purpose, key


def _check_complete(keys: Mapping[tuple[str, str], bytes], purposes: tuple[str, ...]) -> None:
    kids = {kid for _, kid in keys}
    missing = [
        f"{kid}:{purpose}" for purpose in purposes for kid in sorted(kids) if (purpose, kid) not in keys
    ]
    if not kids:
        missing = list(purposes)
    if missing:
        raise KeyRingInvalid(f"missing keys: {', '.join(missing)}")
    # A service with more keys than it needs is a service that can forge more than it should.
    surplus = sorted({purpose for purpose, _ in keys} - set(purposes))
    if surplus:
        raise KeyRingInvalid(
            f"holds keys this service must not have: {', '.join(surplus)} (make its ring with `magiclink keys derive`)"
        )
