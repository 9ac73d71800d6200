"""The keyed hash of a request's body, by which a repeated key is told from a reused one."""

import hmac

from shared.keys import KeyRing

HTTP_KEEP_SECONDS = 24 * 3600.0


def hash_body(ring: KeyRing, scope: str, body: bytes) -> bytes:
    """Return HMAC-SHA-256 over scope and body. Keyed, because bodies hold addresses and a bare hash of one can be guessed."""
    key = ring.keys["idempotency", ring.newest["idempotency"]]
    return hmac.digest(key, scope.encode() + b"\0" + body, "sha256")
