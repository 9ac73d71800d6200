"""The secrets of sessions: derived from the session's id, never stored (DESIGN §3).

What an attacker tries: a session of another app, a JWT of another key, a link's token in the place of a session's. Each purpose has its own
key, and whatever is named here is looked up with the caller's `app_id` (G9).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.verifier.signing_keys import SigningKeys
from shared.database import Row
from shared.keys import KeyRing
from shared.tokens import LinkRef, attempt_id, make_named, make_refresh_token, read_named, read_refresh_token


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """Makes and reads tokens of sessions."""

    ring: KeyRing
    signing: SigningKeys

    @property
    def newest_kid(self) -> str:
        """The key id that a new session's tokens are derived with."""
        return self.ring.newest["session"]

    def make(self, session: Row) -> str:
        """Return the session's token."""
        return make_named(self.ring, "session", _ref(session))

    def make_refresh(self, session: Row) -> str | None:
        """Return the session's newest refresh token; None when it has none."""
        if not session["refreshable"]:
            return None
        return make_refresh_token(self.ring, _ref(session), session["refresh_epoch"])

    def session_of(self, token: str) -> UUID | None:
        """Return which session a session token names. No I/O."""
        named = read_named(self.ring, "session", token)
        return None if named is None else named.link_id

    def session_of_jwt(self, text: str) -> UUID | None:
        """Return which session a JWT of ours names, also a late one: it is the session that lives or does not. No I/O."""
        claims = self.signing.read(text)
        return None if claims is None else sid_of(claims)

    def refresh_of(self, token: str) -> tuple[LinkRef, int] | None:
        """Return the session and epoch that a refresh token names. No I/O."""
        return read_refresh_token(self.ring, token)

    def id_of_link(self, link: LinkRef, opener: str) -> UUID:
        """Return the id of the session that a link's `opener` starts: the same however often it asks."""
        derived = attempt_id(self.ring, link, f"session:{opener}").bytes
        # The link's time in front: sessions of a day stand together in the index.
        return _custom_id(link.link_id.bytes[:6] + derived[6:])


def sid_of(claims: Mapping[str, Any]) -> UUID | None:
    """Return the session that claims name."""
    try:
        return UUID(claims["sid"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _custom_id(derived: bytes) -> UUID:
    """Return a UUIDv8 (RFC 9562 §5.8)."""
    value = int.from_bytes(derived, "big")
    return UUID(int=value & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62)


def _ref(session: Row) -> LinkRef:
    return LinkRef(session["kid"], session["id"])
