"""Pairing: the browser that asked for a link is known by a proof, given in a visit that its product vouches for (decision 0008).

A proof is a MAC over the link's id. It opens nothing: whoever redeems shows the link's token as well.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.verifier.renewal import SQL
from shared.cache import Cache, CacheAway, Script
from shared.database import Pool, Row
from shared.keys import KeyRing
from shared.redirects import RedirectRefused, check_url, origin
from shared.tokens import LinkRef, PairingTicket, make_pairing_proof

TICKET_SECONDS = 60
MOST_PROOFS = 5
_ONCE = Script("once")


@dataclass(frozen=True, slots=True)
class PairingReads:
    """What pairing reads. Nothing of a link ever changes by it (G5)."""

    pool: Pool
    cache: Cache

    async def find(self, link_id: UUID, app_id: UUID | None) -> Row | None:
        """Return what pairing needs of a link, None for one that the app does not have."""
        row: Row | None = await self.pool.fetchrow(SQL.find_pairable, link_id, app_id)
        return row

    async def use(self, ticket_text: str) -> bool:
        """Use a ticket; False when it was used before. Without Redis that cannot be known, so it is no: the button remains."""
        digest = hashlib.sha256(ticket_text.encode()).hexdigest()
        try:
            return bool(await self.cache.run(_ONCE, f"ml:pairing:{digest}", 2 * TICKET_SECONDS * 1000))
        except CacheAway:
            return False


def may_pair(row: Row | None, ticket: PairingTicket, headers: Mapping[str, str]) -> bool:
    """Say whether this visit pairs the browser: link and ticket live, and the product itself led the browser here.

    What an attacker tries: a ticket of a link of their own, and a page that sends the victim through it. The victim's browser would
    then sign itself into the attacker's account with the attacker's mail. Only the browser knows who began the visit.
    """
    if row is None or not row["lives"] or row["binding"] == "none" or row["now_seconds"] >= ticket.expires_at:
        return False
    own = [url for url in (row["base_url"], *row["redirect_urls"]) if url]
    return came_from(headers, {origin(url.removesuffix("*")) for url in own})


def came_from(headers: Mapping[str, str], origins: Iterable[str]) -> bool:
    """Say whether a page of one of these origins led the browser here, as the page one sees."""
    # 1. Where the browser says what it wants the answer for, that must be a page: no image, frame or script of another site.
    if headers.get("Sec-Fetch-Dest", "document") != "document":
        return False
    if headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return False
    # 2. The page that began it. A redirect through the product does not change it, and a page can hide it, but not choose it.
    began = _origin_of(headers.get("Referer") or headers.get("Origin") or "")
    return began is not None and began in origins


def holds_proof(ring: KeyRing, link: LinkRef, proofs: Sequence[str]) -> bool:
    """Say whether one of the browser's proofs is that of the link."""
    if not proofs:
        return False
    expected = make_pairing_proof(ring, link)
    return any([hmac.compare_digest(expected, proof) for proof in proofs])  # noqa: C419 - all are compared


def with_proof(proofs: Sequence[str], proof: str) -> list[str]:
    """Return the proofs with a new one in front; the oldest beyond five fall out."""
    return [proof, *(known for known in proofs if known != proof)][:MOST_PROOFS]


def _origin_of(url: str) -> str | None:
    try:
        check_url(url, allow_http=True)
    except RedirectRefused:
        return None
    return origin(url)
