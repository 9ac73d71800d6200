"""The keyed hash of a request's body, by which a repeated key is told from a reused one."""

import hmac
from dataclasses import dataclass

from shared.keys import KeyRing

HTTP_KEEP_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class BodyHash:
    """HMAC-SHA-256 over scope and body, by every key of the ring: the newest is stored, any of them matches.

    Keyed, because bodies hold addresses and a bare hash of one can be guessed.
    """

    newest: bytes
    others: tuple[bytes, ...] = ()

    def matches(self, stored: bytes) -> bool:
        """Compare in constant time with what a row keeps, perhaps from before a key rotation."""
        # A list: every key is compared, whichever matches.
        return any([hmac.compare_digest(stored, mine) for mine in (self.newest, *self.others)])  # noqa: C419


def hash_body(ring: KeyRing, scope: str, body: bytes) -> BodyHash:
    """Return the hash of a body in its scope."""
    newest = ring.newest["idempotency"]
    kids = [newest, *(kid for purpose, kid in ring.keys if purpose == "idempotency" and kid != newest)]
    text = scope.encode() + b"\0" + body
    macs = [hmac.digest(ring.keys["idempotency", kid], text, "sha256") for kid in kids]
    return BodyHash(macs[0], tuple(macs[1:]))
