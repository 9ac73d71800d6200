"""The issuer's statements on links, as functions over rows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.issuer.answers import Answer
from services.issuer.link_rows import (
    EVENT_COLUMNS,
    LINK_COLUMNS,
    array_text,
    event_rows,
    json_text,
    link_lists,
    links_alike,
)
from services.issuer.new_links import NewLink, heads
from services.issuer.orders import Guard, Issued
from services.issuer.policy import UserKey
from services.issuer.postponing import Postponed
from services.issuer.reach import FoundUser
from shared.database import Connection, Pool
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_ids

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class Held:
    """Users who stay as they are until the commit, and `at`: when the transaction began, which is when its links are created."""

    at: datetime
    users: dict[UserKey, FoundUser]


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
        alike: dict[tuple[UUID, str, float], list[tuple[Guard, Answer]]] = {}
        for guard, answer in guards:
            alike.setdefault((guard.app_id, guard.scope, guard.keep_seconds), []).append((guard, answer))
        rows = [
            (
                *group,
                json_text([guard.key for guard, _ in its_guards]),
                json_text([guard.body_hash.newest.hex() for guard, _ in its_guards]),
                json_text([answer.items for _, answer in its_guards]),
            )
            for group, its_guards in alike.items()
        ]
        claimed = await connection.fetch(SQL.claim_keys, *_columns(rows, 6))
        return {(app_id, scope, key) for app_id, scope, key in claimed}

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

    async def resolve_users(self, connection: Connection, wanted: Mapping[UserKey, str | None]) -> Held:
        """Return the users of these keys and hold them, made when missing with the status named, if one is.

        An unknown `user_id` is left out, and an unknown address whose status is None.
        """
        held = await self._hold_users(connection, wanted)
        missing = {
            key: status
            for key, status in wanted.items()
            if key not in held.users and _may_be_made(key, status)
        }
        if missing:
            # Another replica made them while we waited for it: a new snapshot sees them.
            held.users.update((await self._hold_users(connection, missing)).users)
        return held

    async def _hold_users(self, connection: Connection, wanted: Mapping[UserKey, str | None]) -> Held:
        groups: dict[tuple[UUID, str, str | None], list[str]] = {}
        for key, status in wanted.items():
            new_status = status if _may_be_made(key, status) else None
            groups.setdefault((key.app_id, key.kind, new_status), []).append(key.value)
        asked = [
            (*group, json_text(values), array_text(new_link_ids(len(values)) if group[2] else ()))
            for group, values in groups.items()
        ]
        *rows, last = await connection.fetch(SQL.hold_users, *_columns(asked, 5))
        users = {
            UserKey(app_id, kind, value): FoundUser(user_id, email, phone, imported_id, is_new)
            for kind, app_id, value, user_id, email, phone, imported_id, is_new, _ in rows
        }
        return Held(last["held_at"], users)

    async def create_links(
        self, connection: Connection, links: Sequence[NewLink], created_at: datetime
    ) -> None:
        """Write links, messages, slots and outbox rows. `created_at`: when the transaction began, as `Held.at` says."""
        newest = heads(links)
        rows = [
            (*columns, *link_lists(its_links, newest)) for columns, its_links in links_alike(links).items()
        ]
        events = event_rows(links, created_at)
        await connection.execute(
            SQL.create_links,
            *_columns(rows, LINK_COLUMNS),
            *_columns(events, EVENT_COLUMNS),
            self._queue_lease_seconds,
        )

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
