"""Secrets of second factors at rest: AES-256-GCM, bound to their row.

Unlike tokens they cannot be derived: an authenticator app may bring its own. Who reads the database has no key, and who writes to it
cannot give a user another one's secret, not with its row either: factor and user are authenticated with it.
"""

import secrets
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.keys import KeyRing

_PURPOSE = "totp"
_NONCE_BYTES = 12


class FactorOf(NamedTuple):
    """A factor and whose it is."""

    factor_id: UUID
    user_id: UUID


def newest_kid(ring: KeyRing) -> str:
    """Return the id of the key that new secrets are sealed with."""
    return ring.newest[_PURPOSE]


def seal(ring: KeyRing, kid: str, factor: FactorOf, secret: bytes) -> bytes:
    """Return nonce (12 bytes) and ciphertext with tag. A random nonce is safe for 2**32 secrets a key (NIST SP 800-38D §8.3)."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(ring.keys[_PURPOSE, kid]).encrypt(nonce, secret, _bound_to(factor))


def unseal(ring: KeyRing, kid: str, factor: FactorOf, sealed: bytes) -> bytes | None:
    """Return the secret; None when its key was dropped from the ring, or the row is not as it was written."""
    key = ring.key(_PURPOSE, kid)
    if key is None:
        return None
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(factor))
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        return None


def _bound_to(factor: FactorOf) -> bytes:
    return factor.factor_id.bytes + factor.user_id.bytes
