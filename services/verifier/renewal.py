"""The transition `renewal`: the page of an expired link asks for a new one, which goes to the original recipient.

The verifier only asks; the issuer makes the link, once for each expired one. What an attacker with an old link gets: one mail to
its rightful owner. The answer says the same whatever came of it.
"""

from pathlib import Path

from shared.cache import Cache
from shared.database import Pool
from shared.errors import RateLimited
from shared.limits import FailOpenBucket
from shared.outbox import OutboxBell
from shared.sql_blocks import SqlBlocks
from shared.tokens import LinkRef

SQL = SqlBlocks(Path(__file__).parent / "pages.sql")

# It spares the outbox, nothing else: that one link comes of one link is durable.
_PER_LINK_AND_MINUTE = 2


class Renewal:
    """Asks for new links."""

    def __init__(self, pool: Pool, cache: Cache, bell: OutboxBell) -> None:
        self._pool = pool
        self._bell = bell
        self._limit = FailOpenBucket(cache, "renewal", _PER_LINK_AND_MINUTE)

    async def ask(self, link: LinkRef, request_id: str) -> None:
        """Ask the issuer for a link in the place of this one, if it is one that may be renewed."""
        try:
            await self._limit.take(str(link.link_id))
        except RateLimited:
            return  # it was pressed a moment ago
        if await self._pool.execute(SQL.renew, link.link_id, request_id) == "INSERT 0 1":
            self._bell.ring()
