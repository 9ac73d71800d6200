"""What pages are told of a link: one small read, together with whatever else waits (DESIGN §7). No GET has a hand on anything that writes (G5)."""

from collections.abc import Sequence
from uuid import UUID

from services.verifier.renewal import SQL
from services.verifier.store import bounds_of
from shared.batching import Batcher, BatchLimits
from shared.database import Pool, Row


class PageRows:
    """Reads rows for pages."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # One at a time: a second one took off with few links, 22 a batch in place of 32 under load.
        self._batcher: Batcher[UUID, Row | None] = Batcher("page", self._read, limits=BatchLimits(flights=1))

    async def find(self, link_id: UUID) -> Row | None:
        """Return where a link stands and what its page says, None for one that is not there. Raises `Unavailable`."""
        return await self._batcher.put(link_id)

    async def drain(self) -> None:
        await self._batcher.drain()

    async def _read(self, link_ids: list[UUID]) -> Sequence[Row | None]:
        wanted = list(dict.fromkeys(link_ids))  # of a storm on one link's page, the link is read once
        rows = {row["id"]: row for row in await self._pool.fetch(SQL.show, wanted, *bounds_of(wanted))}
        return [rows.get(link_id) for link_id in link_ids]
