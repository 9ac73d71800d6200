"""How often issuing asks the database: each trip costs more than the work of a small order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg

from services.issuer.issue import Issue
from services.issuer.orders import Guard, Order
from services.issuer.policy import Apps, draft_link
from services.issuer.store import SQL, IssuerStore
from services.issuer.text_limits import TextLimits
from shared.cache import Cache
from shared.database import Connection, Pool
from shared.idempotency import hash_body
from shared.links import LinkRequest
from shared.outbox import OutboxBell
from tests.seeds import RINGS, Seeds


class Watched(IssuerStore):
    """Notes the statements of its transactions."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, 60)
        self.asked: list[str] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            proxy: Any = connection
            with proxy.query_logger(self._note):
                yield connection

    def _note(self, record: Any) -> None:
        # The driver's own are asked once a connection: it learns the types.
        if record.query.startswith("-- "):
            self.asked.append(record.query)


async def test_new_users_links_slots_messages_and_events_are_written_in_three_statements(
    issuer_pool: Pool, cache: Cache, seeds: Seeds
) -> None:
    store, bell, ring = Watched(issuer_pool), OutboxBell(issuer_pool), RINGS["issuer"]
    app = await Apps(issuer_pool, SQL, allow_http=True).get((await seeds.app(latest_only=["login"])).id)

    def order() -> Order:
        request = LinkRequest(email=f"{uuid4().hex}@example.com", channel="email")
        guard = Guard(app.id, "POST /v1/links", uuid4().hex, hash_body(ring, "POST /v1/links", b"{}"), 60)
        return Order(app.id, [draft_link(app, request, "interactive")], guard, "api")

    receipts = await Issue(store, ring, bell, TextLimits(cache)).issue_together([order() for _ in range(5)])
    assert not any(isinstance(receipt, BaseException) for receipt in receipts)
    assert store.asked == [SQL.claim_keys, SQL.hold_users, SQL.create_links]
    await bell.close()


async def test_a_connection_goes_back_to_the_pool_without_a_word_and_without_its_transaction(
    issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    async with issuer_pool.acquire() as connection:
        await connection.transaction().start()
        pid = await connection.fetchval("SELECT pg_backend_pid() AS whose")
    last = "SELECT query, state FROM pg_stat_activity WHERE pid = $1"
    left = await owner.fetchrow(last, pid)
    assert left is not None
    assert (left["query"].rstrip(";"), left["state"]) == ("ROLLBACK", "idle")

    async with issuer_pool.acquire() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid() AS again")
    assert await owner.fetchval(last, pid) == "SELECT pg_backend_pid() AS again"
