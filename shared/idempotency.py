"""The keyed hash of a request's body, by which a repeated key is told from a reused one."""

import hmac
from dataclasses import dataclass

from shared.keys import KeyRing

HTTP_KEEP_SECONDS = 24 * 3600.0
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class BodyHash:
    """HMAC-SHA-256 over scope and body, by every key of the ring: `newest` is stored, any of them matches.

    Keyed, because bodies hold addresses and a bare hash of one can be guessed. What is stored begins with its key's id, so that
    an operator can see whether a key is still needed (`magiclink keys drop`).
    """

    newest: bytes
    macs: tuple[bytes, ...]

    def matches(self, stored: bytes) -> bool:
        """Compare in constant time with what a row keeps, perhaps from before a key rotation."""
        mac = stored[-_MAC_BYTES:]
        # A list: every key is compared, whichever matches.
        return any([hmac.compare_digest(mac, mine) for mine in self.macs])  # noqa: C419


def hash_body(ring: KeyRing, scope: str, body: bytes) -> BodyHash:
    """Return the hash of a body in its scope."""
    newest = ring.newest["idempotency"]
    text = scope.encode() + b"\0" + body
    macs = {
        kid: hmac.digest(key, text, "sha256")
        for (purpose, kid), key in ring.keys.items()
        if purpose == "idempotency"
    }
    return BodyHash(newest.encode() + macs[newest], tuple(macs.values()))
