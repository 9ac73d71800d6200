"""The issuer's statements on links, as functions over rows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.issuer.answers import Answer
from services.issuer.new_links import (
    Made,
    NewLink,
    heads,
    issued_link,
    link_row,
    message_row,
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
        found = await self._hold_users(connection, set(wanted))
        missing = [
            key
            for key, status in wanted.items()
            if status is not None and key not in found and key.kind != "user_id"
        ]
        if missing:
            rows = await connection.fetch(
                SQL.create_users,
                [new_link_id() for _ in missing],
                [key.app_id for key in missing],
                [key.value if key.kind == "email" else None for key in missing],
                [key.value if key.kind == "phone" else None for key in missing],
                [wanted[key] for key in missing],
            )
            made = {row["id"] for row in rows}
            # A new snapshot: it sees ours, and those that another replica made while we waited for it.
            held = await self._hold_users(connection, set(missing))
            found |= {key: replace(user, is_new=user.id in made) for key, user in held.items()}
        return found

    async def _hold_users(self, connection: Connection, keys: set[UserKey]) -> dict[UserKey, FoundUser]:
        columns: list[list[Any]] = []
        for kind in ("email", "phone", "user_id"):
            of_kind = [key for key in keys if key.kind == kind]
            columns += [[key.app_id for key in of_kind], [key.value for key in of_kind]]
        rows = await connection.fetch(SQL.hold_users, *columns)
        return {
            UserKey(row["app_id"], row["kind"], row["value"]): FoundUser(
                row["id"], row["email"], row["phone"], row["imported_id"]
            )
            for row in rows
        }

    async def create_links(self, connection: Connection, links: Sequence[NewLink]) -> dict[UUID, Issued]:
        """Write links, messages and outbox rows; return the links by id."""
        rows = await connection.fetch(SQL.create_links, *_columns([link_row(link) for link in links], 26))
        times = {row["id"]: row for row in rows}
        messages = {link.draft.link_id: new_link_id() for link in links if link.recipient is not None}
        to_send = [link for link in links if link.recipient is not None]
        if to_send:
            columns = _columns([message_row(link, messages[link.draft.link_id]) for link in to_send], 10)
            await connection.execute(
                SQL.create_messages,
                *columns,
                self._queue_lease_seconds,
                [link.draft.request.send_at for link in to_send],
            )
        newest = heads(links)
        if newest:
            await connection.execute(SQL.take_slots, *_columns([*newest], 4), [*newest.values()])
        await outbox.append(connection, outbox_rows(links, messages, times))
        made = Made(times, messages, newest)
        return {link.draft.link_id: issued_link(link, made) for link in links}

    async def read_issued(self, link_ids: Sequence[UUID], app_ids: set[UUID]) -> dict[UUID, Issued]:
        """Return links by id, if they are of these apps."""
        if not link_ids:
            return {}
        rows = await self.pool.fetch(SQL.read_issued, list(link_ids), list(app_ids))
        return {row["id"]: Issued(**dict(row)) for row in rows}


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
