"""Tokens, grants and passcodes: derived from the link's id with a keyed MAC, never stored.

token = kid (1 character) + base62( link id (16 bytes) || MAC (12 bytes) ), 39 letters and digits (DESIGN §3).
The MAC is checked before any I/O, so garbage and guesses cost no round trip; 96 bits cannot be guessed online.
"""

import base64
import hmac
import re
import secrets
import time
import unicodedata
from dataclasses import dataclass
from operator import mul
from uuid import UUID

from asyncpg.pgproto import pgproto

from shared.keys import KeyRing

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VERSION = b"\x01"
MAC_BYTES = 12
PAYLOAD_BYTES = 16 + MAC_BYTES
PAYLOAD_CHARS = 38  # ceil(28 * 8 / log2(62))
TOKEN_CHARS = 1 + PAYLOAD_CHARS
EPOCH_BYTES = 4
EPOCH_CHARS = 6
PROOF_BYTES = 16
_TICKET_HEAD_BYTES = PROOF_BYTES + 16 + 8
MAX_TICKET_CHARS = 4096

# The key id and base64url without padding; a rest of one character would be none, and the decoder would raise.
_TICKET = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_-]{4})*(?:[0-9A-Za-z_-]{2,3})?")
# People group digits, and phones and editors make typographic dashes of theirs.
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
# By tables that stay in the processor's cache: with a dictionary of all pairs of characters, reading a token took twice as long.
_TO_DIGITS = bytes(ALPHABET.find(chr(code)) & 0xFF for code in range(256))
_WEIGHTS = [62**place for place in reversed(range(PAYLOAD_CHARS))]
_TWO, _FOUR, _FIVE, _TEN, _TWENTY = (62**places for places in (2, 4, 5, 10, 20))
_FIRST_CHARS = PAYLOAD_CHARS - 30

PASSCODE_ALPHABETS = {
    "digits": "0123456789",
    "letters": "ABCDEFGHJKLMNPQRSTUVWXYZ",  # no I and O: read aloud and typed from paper
    "alphanumeric": "23456789ABCDEFGHJKLMNPQRSTUVWXYZ",
}


@dataclass(frozen=True, slots=True)
class LinkRef:
    """What a valid token or grant names: the link, and the key id everything of that link is derived with."""

    kid: str
    link_id: UUID


@dataclass(frozen=True, slots=True)
class PairingTicket:
    """What a pairing ticket says: the link, its own end (seconds of Unix time), and where the browser goes back to."""

    link: LinkRef
    expires_at: int
    return_url: str


def new_link_id(shard: int = 0) -> UUID:
    """Make a UUIDv7 (RFC 9562): 48 bits of milliseconds, the app's shard in `rand_a`, 62 random bits."""
    return UUID(int=_now_and(shard) | secrets.randbits(62))


def new_link_ids(count: int) -> list[UUID]:
    """Make as many such ids of one moment, of the database driver's class (a UUID to all but orjson): 0.3 µs each, one by one 1.8.

    Written as text, hashed and sent they take a tenth of the time as well.
    """
    head = _now_and(0).to_bytes(16, "big")
    head, variant = head[:8], head[8]
    noise = secrets.token_bytes(8 * count)
    return [
        pgproto.UUID(head + bytes((variant | noise[at] & 0x3F,)) + noise[at + 1 : at + 8])
        for at in range(0, len(noise), 8)
    ]


def _now_and(shard: int) -> int:
    milliseconds = time.time_ns() // 1_000_000
    return milliseconds << 80 | 0x7 << 76 | (shard & 0xFFF) << 64 | 0b10 << 62


def make_token(ring: KeyRing, link_id: UUID, kid: str | None = None) -> str:
    """Return the link's token; `kid` is the link's own key id, None for a new link."""
    return _make(ring, "link", link_id, kid)


def read_token(ring: KeyRing, token: str) -> LinkRef | None:
    """Return what the token names, or None for anything that this ring did not sign. No I/O."""
    return _read(ring, "link", token)


def make_grant(ring: KeyRing, link: LinkRef) -> str:
    """Return the link's grant, the `code` of the redirect (RFC 6749 §4.1.2)."""
    return _make(ring, "grant", link.link_id, link.kid)


def read_grant(ring: KeyRing, grant: str) -> LinkRef | None:
    """Return what the grant names, or None."""
    return _read(ring, "grant", grant)


def make_named(ring: KeyRing, purpose: str, named: LinkRef) -> str:
    """Return the token of something else that has an id, such as a challenge: a link token's form, its own purpose's key."""
    return _make(ring, purpose, named.link_id, named.kid)


def read_named(ring: KeyRing, purpose: str, text: str) -> LinkRef | None:
    """Return what a token of this purpose names, or None. No I/O."""
    return _read(ring, purpose, text)


def make_poll_token(ring: KeyRing, link: LinkRef) -> str:
    """Return what whoever asked for the link waits with for its use elsewhere."""
    return _make(ring, "poll", link.link_id, link.kid)


def read_poll_token(ring: KeyRing, text: str) -> LinkRef | None:
    """Return the link that somebody waits for, or None. No I/O."""
    return _read(ring, "poll", text)


def make_refresh_token(ring: KeyRing, session: LinkRef, epoch: int) -> str:
    """Return a session's refresh token: a token's form, with the epoch at its end, 45 letters and digits. A rotation raises the epoch."""
    said = session.link_id.bytes + epoch.to_bytes(EPOCH_BYTES, "big")
    proof = _mac(ring, "refresh", session.kid, said)[:MAC_BYTES]
    return session.kid + _encode(session.link_id.bytes + proof) + _ten_chars(epoch)[-EPOCH_CHARS:]


def read_refresh_token(ring: KeyRing, text: str) -> tuple[LinkRef, int] | None:
    """Return the session and the epoch that a refresh token names, or None. No I/O."""
    if len(text) != TOKEN_CHARS + EPOCH_CHARS or not text.isascii() or not text.isalnum():
        return None
    kid, payload = text[0], _decode(text[1:TOKEN_CHARS])
    epoch = _value(text[TOKEN_CHARS:])
    if ring.key("refresh", kid) is None or payload is None or epoch >> (EPOCH_BYTES * 8):
        return None
    said = payload[:16] + epoch.to_bytes(EPOCH_BYTES, "big")
    if not hmac.compare_digest(_mac(ring, "refresh", kid, said)[:MAC_BYTES], payload[16:]):
        return None
    return LinkRef(kid, UUID(bytes=payload[:16])), epoch


def make_passcode(ring: KeyRing, link: LinkRef, epoch: int, passcode_format: str) -> str:
    """Return the link's passcode in `<strategy>:<length>`, e.g. `digits:6`. A resend raises the epoch.

    A guess is worth 1/10**6 a try; the tries are what is limited, durably (DESIGN §3).
    """
    strategy, _, length_text = passcode_format.partition(":")
    length = int(length_text)
    digest = _mac(ring, "passcode", link.kid, link.link_id.bytes + epoch.to_bytes(4, "big"))
    if strategy == "bytes":
        return digest[:length].hex()
    number = int.from_bytes(digest, "big")  # 256 bits: the modulo's bias is below 2**-190
    alphabet = PASSCODE_ALPHABETS[strategy]
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        characters.append(alphabet[digit])
    return "".join(characters)


def plain_passcode(text: str) -> str:
    """Return the one spelling of a passcode: width and case folded (full-width digits are what a Japanese keyboard types), nothing between."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()


def passcode_lookup(ring: KeyRing, kid: str, app_id: UUID, passcode: str) -> bytes:
    """Return under what a passcode that stands alone is found in its app. Keyed: a stolen table cannot be searched for six digits."""
    return _mac(ring, "lookup", kid, app_id.bytes + plain_passcode(passcode).encode())


def passcode_lookups(ring: KeyRing, app_id: UUID, passcode: str) -> list[bytes]:
    """Return under what it may be found: by each key of the ring, for links from before a rotation."""
    kids = [kid for purpose, kid in ring.keys if purpose == "lookup"]
    return [passcode_lookup(ring, kid, app_id, passcode) for kid in kids]


def attempt_id(ring: KeyRing, link: LinkRef, holder: str) -> UUID:
    """Return the id of a redemption attempt: the same holder asking again about the same link is the same attempt.

    `holder` is the page's cookie or, for an API caller, its app and `Idempotency-Key`. The database keeps only this MAC,
    so reading it does not let anybody ask again in the holder's name.
    """
    return UUID(bytes=_mac(ring, "replay", link.kid, link.link_id.bytes + holder.encode())[:16])


def make_pairing_ticket(ring: KeyRing, ticket: PairingTicket) -> str:
    """Return a ticket: kid + base64url( MAC (16 bytes) || link id || expiry || return URL ) (decision 0008)."""
    link = ticket.link
    said = link.link_id.bytes + ticket.expires_at.to_bytes(8, "big") + ticket.return_url.encode("ascii")
    proof = _mac(ring, "pairing", link.kid, b"ticket" + said)[:PROOF_BYTES]
    return link.kid + _base64url(proof + said)


def read_pairing_ticket(ring: KeyRing, text: str) -> PairingTicket | None:
    """Return what the ticket says, or None for anything that this ring did not sign. Whether it is late is not asked here."""
    if len(text) > MAX_TICKET_CHARS or not _TICKET.fullmatch(text) or ring.key("pairing", text[0]) is None:
        return None
    payload = base64.urlsafe_b64decode(text[1:] + "=" * (-(len(text) - 1) % 4))
    # One spelling per ticket: the last character may have bits that the decoder drops, and a ticket is used once by its text.
    if _base64url(payload) != text[1:]:
        return None
    said = payload[PROOF_BYTES:]
    expected = _mac(ring, "pairing", text[0], b"ticket" + said)[:PROOF_BYTES]
    if len(payload) < _TICKET_HEAD_BYTES or not hmac.compare_digest(expected, payload[:PROOF_BYTES]):
        return None
    return PairingTicket(
        LinkRef(text[0], UUID(bytes=said[:16])), int.from_bytes(said[16:24], "big"), said[24:].decode("ascii")
    )


def make_pairing_proof(ring: KeyRing, link: LinkRef) -> str:
    """Return what a browser that is paired with the link holds: 22 characters, worthless without the link's token."""
    proof = _mac(ring, "pairing", link.kid, b"proof" + link.link_id.bytes)[:PROOF_BYTES]
    return _base64url(proof)


def _make(ring: KeyRing, purpose: str, link_id: UUID, kid: str | None) -> str:
    kid = kid or ring.newest[purpose]
    return kid + _encode(link_id.bytes + _mac(ring, purpose, kid, link_id.bytes)[:MAC_BYTES])


def _read(ring: KeyRing, purpose: str, text: str) -> LinkRef | None:
    # 1. The shape, so that nothing long or strange reaches the arithmetic.
    if len(text) != TOKEN_CHARS or not text.isascii() or not text.isalnum():
        return None
    # 2. A key id this ring knows.
    kid = text[0]
    if ring.key(purpose, kid) is None:
        return None
    # 3. One spelling per token: a value past 28 bytes is nobody's token.
    payload = _decode(text[1:])
    if payload is None:
        return None
    # 4. The MAC, in constant time. Whoever fails here learns only that.
    expected = _mac(ring, purpose, kid, payload[:16])[:MAC_BYTES]
    if not hmac.compare_digest(expected, payload[16:]):
        return None
    return LinkRef(kid, UUID(bytes=payload[:16]))


def _base64url(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def _mac(ring: KeyRing, purpose: str, kid: str, message: bytes) -> bytes:
    return hmac.digest(ring.keys[purpose, kid], VERSION + message, "sha256")


def _encode(payload: bytes) -> str:
    # Split in halves down to five characters, which fit one digit of Python's integers: 2.0 µs, pair after pair 2.9.
    high, low = divmod(int.from_bytes(payload, "big"), _TWENTY)
    first, second = divmod(high, _TEN)
    third, fourth = divmod(low, _TEN)
    return _ten_chars(first)[-_FIRST_CHARS:] + _ten_chars(second) + _ten_chars(third) + _ten_chars(fourth)


def _ten_chars(value: int) -> str:
    high, low = divmod(value, _FIVE)
    return (
        f"{ALPHABET[high // _FOUR]}{_PAIRS[high // _TWO % _TWO]}{_PAIRS[high % _TWO]}"
        f"{ALPHABET[low // _FOUR]}{_PAIRS[low // _TWO % _TWO]}{_PAIRS[low % _TWO]}"
    )


def _value(text: str) -> int:
    return sum(map(mul, text.encode("ascii").translate(_TO_DIGITS), _WEIGHTS[-len(text) :]))


def _decode(text: str) -> bytes | None:
    value = _value(text)
    return None if value >> (PAYLOAD_BYTES * 8) else value.to_bytes(PAYLOAD_BYTES, "big")
