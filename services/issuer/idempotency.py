"""`Idempotency-Key` for the POSTs that are not issued in groups: the key's row is written in the transaction of the work.

Kept is the id of what was made, no body and no secret: a replay reads the thing again. If the work raises, nothing is kept.
What has no id is kept whole: it must hold nothing but ids and counts.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.issuer.orders import Guard
from services.issuer.tenancy import SQL
from shared.database import Connection, Pool
from shared.errors import IdempotencyConflict, Unavailable
from shared.http.routes import Call
from shared.idempotency import HTTP_KEEP_SECONDS, hash_body
from shared.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Work:
    """What a POST does. Both give the answer, an object with an `id`; `again` reads it by that id, for a replay.

    Without `again` the answer itself is kept and given again.
    """

    do: Callable[[Connection], Awaitable[dict[str, Any]]]
    again: Callable[[Connection, UUID], Awaitable[dict[str, Any]]] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a POST, and whether it was given before."""

    body: dict[str, Any]
    replayed: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Idempotency-Replayed": "true"} if self.replayed else {}


def guard_of(call: Call, ring: KeyRing, scope: str) -> Guard | None:
    """Return what makes this call happen once, or None without a key. Read the body first.

    `scope` is the route. The hash covers the path itself: the same key for another link is another request.
    """
    key = call.idempotency_key
    if key is None:
        return None
    body_hash = hash_body(ring, f"{call.request.method} {call.request.path}", call.raw)
    return Guard(call.caller.app_id, scope, key, body_hash, HTTP_KEEP_SECONDS)


class Once:
    """Runs work in a transaction, once for each guard. A concurrent duplicate waits and gets the first one's answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self, guard: Guard | None, work: Work) -> Answered:
        """Return the answer. Raises what the work raises, and `IdempotencyConflict` for a key used with another body."""
        async with self._pool.acquire() as connection, connection.transaction():
            if guard is None:
                return Answered(await work.do(connection))
            claimed = await connection.fetchval(
                SQL.claim_key, *guard.identity, guard.body_hash.newest, guard.keep_seconds
            )
            if claimed is None:
                kept = await _find(connection, guard)
                body = await work.again(connection, UUID(kept["id"])) if work.again else kept
                return Answered(body, replayed=True)
            body = await work.do(connection)
            kept = {"id": body["id"]} if work.again else body
            await connection.execute(
                SQL.keep_answer, *guard.identity, orjson.dumps(kept, default=str).decode()
            )
            return Answered(body)


async def _find(connection: Connection, guard: Guard) -> dict[str, Any]:
    row = await connection.fetchrow(SQL.find_answer, *guard.identity)
    if row is None:
        raise Unavailable("the Idempotency-Key expired just now", retry_after_seconds=1)
    if not guard.body_hash.matches(row["body_hash"]):
        raise IdempotencyConflict
    kept: dict[str, Any] = row["answer"]
    return kept
