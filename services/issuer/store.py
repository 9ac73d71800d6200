"""The issuer's statements on links, as functions over rows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.issuer.answers import Answer
from services.issuer.new_links import (
    LINK_COLUMNS,
    Made,
    NewLink,
    heads,
    issued_link,
    link_row,
    outbox_rows,
)
from services.issuer.orders import Guard, Issued
from services.issuer.policy import UserKey
from services.issuer.postponing import Postponed
from services.issuer.reach import FoundUser
from shared import outbox
from shared.database import Connection, Pool
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")


class IssuerStore:
    """Reads and writes for issuing. Only `issue`, `intake` and `sweep` open its transactions."""

    def __init__(self, pool: Pool, queue_lease_seconds: float) -> None:
        self.pool = pool
        self._queue_lease_seconds = queue_lease_seconds

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    async def claim_keys(
        self, connection: Connection, guards: Sequence[tuple[Guard, Answer]]
    ) -> set[tuple[UUID, str, str]]:
        """Write the keys that are new; return those."""
        rows = await connection.fetch(
            SQL.claim_keys,
            *_columns([g.identity for g, _ in guards], 3),
            [g.body_hash.newest for g, _ in guards],
            [orjson.dumps(answer.items).decode() for _, answer in guards],
            [g.keep_seconds for g, _ in guards],
        )
        return {(row["app_id"], row["scope"], row["key"]) for row in rows}

    async def find_answers(
        self, guards: Sequence[Guard]
    ) -> dict[tuple[UUID, str, str], tuple[bytes, Answer]]:
        """Return body hash and answer by key."""
        rows = await self.pool.fetch(SQL.find_keys, *_columns([g.identity for g in guards], 3))
        return {(r["app_id"], r["scope"], r["key"]): (r["body_hash"], Answer(r["answer"])) for r in rows}

    async def forget_keys(self, connection: Connection, guards: Sequence[Guard]) -> None:
        if guards:
            await connection.execute(SQL.forget_keys, *_columns([g.identity for g in guards], 3))

    async def amend_answers(self, connection: Connection, answers: Sequence[tuple[Guard, Answer]]) -> None:
        if answers:
            texts = [orjson.dumps(answer.items).decode() for _, answer in answers]
            await connection.execute(SQL.amend_answers, *_columns([g.identity for g, _ in answers], 3), texts)

    async def postpone(self, connection: Connection, postponed: Sequence[Postponed]) -> None:
        """Write records into the outbox, to come back to their topic after their pauses."""
        await connection.execute(
            SQL.postpone_records,
            [item.record.topic for item in postponed],
            [item.key for item in postponed],
            [item.record.value or b"" for item in postponed],
            [item.headers for item in postponed],
            [item.pause_seconds for item in postponed],
        )

    async def resolve_users(
        self, connection: Connection, wanted: Mapping[UserKey, str | None]
    ) -> dict[UserKey, FoundUser]:
        """Return the users of these keys and hold them, made when missing with the status named, if one is.

        An unknown `user_id` is left out, and an unknown address whose status is None.
        """
        found = await self._hold_users(connection, wanted)
        missing = {
            key: status for key, status in wanted.items() if key not in found and _may_be_made(key, status)
        }
        if missing:
            # Another replica made them while we waited for it: a new snapshot sees them.
            found |= await self._hold_users(connection, missing)
        return found

    async def _hold_users(
        self, connection: Connection, wanted: Mapping[UserKey, str | None]
    ) -> dict[UserKey, FoundUser]:
        columns: list[Sequence[Any]] = []
        for kind in ("email", "phone", "user_id"):
            of_kind = [(key.app_id, key.value) for key in wanted if key.kind == kind]
            columns += _columns(of_kind, 2)
        may_be_made = [
            (new_link_id(), key.app_id, key.kind, key.value, status)
            for key, status in wanted.items()
            if _may_be_made(key, status)
        ]
        rows = await connection.fetch(SQL.hold_users, *columns, *_columns(may_be_made, 5))
        return {
            UserKey(app_id, kind, value): FoundUser(user_id, email, phone, imported_id, is_new)
            for kind, app_id, value, user_id, email, phone, imported_id, is_new in rows
        }

    async def create_links(self, connection: Connection, links: Sequence[NewLink]) -> dict[UUID, Issued]:
        """Write links, messages and outbox rows; return the links by id."""
        messages = {link.draft.link_id: new_link_id() for link in links if link.recipient is not None}
        newest = heads(links)
        columns = _columns([link_row(link, messages, newest) for link in links], LINK_COLUMNS)
        rows = await connection.fetch(SQL.create_links, *columns, self._queue_lease_seconds)
        times = {row["id"]: row for row in rows}
        await outbox.append(connection, outbox_rows(links, messages, times))
        made = Made(times, messages, newest)
        return {link.draft.link_id: issued_link(link, made) for link in links}

    async def read_issued(self, link_ids: Sequence[UUID], app_ids: set[UUID]) -> dict[UUID, Issued]:
        """Return links by id, if they are of these apps."""
        if not link_ids:
            return {}
        rows = await self.pool.fetch(SQL.read_issued, list(link_ids), list(app_ids))
        return {row["id"]: Issued(**dict(row)) for row in rows}


def _may_be_made(key: UserKey, status: str | None) -> bool:
    return status is not None and key.kind != "user_id"


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width
