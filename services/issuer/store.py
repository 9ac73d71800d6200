"""The issuer's statements on links, as functions over rows."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.issuer.answers import Answer
from services.issuer.orders import Guard, Issued
from services.issuer.policy import Draft, UserKey
from shared import outbox
from shared.bus import Event
from shared.database import Connection, Pool, Row
from shared.messages import MessageFacts, Queueing, queued_row
from shared.outbox import OutboxRow, lifecycle_row
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

SQL = SqlBlocks(Path(__file__).parent / "queries.sql")
SOURCE = "/issuer"


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user as far as issuing needs it."""

    id: UUID
    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class NewLink:
    """A draft whose user is known: what the rows are made of."""

    draft: Draft
    kid: str
    user_id: UUID
    recipient: str | None
    headers: dict[str, str]


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

    async def resolve_users(
        self, connection: Connection, keys: Iterable[UserKey]
    ) -> dict[UserKey, FoundUser]:
        """Return the users of these keys, made when missing. An unknown `user_id` is left out."""
        wanted = set(keys)
        found = await self._find_users(connection, wanted)
        missing = [key for key in wanted if key not in found and key.kind != "user_id"]
        if missing:
            await connection.execute(
                SQL.create_users,
                [new_link_id() for _ in missing],
                [key.app_id for key in missing],
                [key.value if key.kind == "email" else None for key in missing],
                [key.value if key.kind == "phone" else None for key in missing],
            )
            # A new snapshot: it sees ours, and those that another replica made while we waited for it.
            found |= await self._find_users(connection, set(missing))
        return found

    async def _find_users(self, connection: Connection, keys: set[UserKey]) -> dict[UserKey, FoundUser]:
        columns: list[list[Any]] = []
        for kind in ("email", "phone", "user_id"):
            of_kind = [key for key in keys if key.kind == kind]
            columns += [[key.app_id for key in of_kind], [key.value for key in of_kind]]
        rows = await connection.fetch(SQL.find_users, *columns)
        return {
            UserKey(row["app_id"], row["kind"], row["value"]): FoundUser(
                row["id"], row["email"], row["phone"]
            )
            for row in rows
        }

    async def create_links(self, connection: Connection, links: Sequence[NewLink]) -> dict[UUID, Issued]:
        """Write links, messages and outbox rows; return the links by id."""
        rows = await connection.fetch(SQL.create_links, *_columns([_link_row(link) for link in links], 18))
        times = {row["id"]: row for row in rows}
        messages = {link.draft.link_id: new_link_id() for link in links if link.recipient is not None}
        to_send = [link for link in links if link.recipient is not None]
        if to_send:
            columns = _columns([_message_row(link, messages[link.draft.link_id]) for link in to_send], 10)
            await connection.execute(
                SQL.create_messages,
                *columns,
                self._queue_lease_seconds,
                [link.draft.request.send_at for link in to_send],
            )
        await outbox.append(connection, _outbox_rows(links, messages, times))
        return {
            link.draft.link_id: _issued(link, times[link.draft.link_id], messages.get(link.draft.link_id))
            for link in links
        }

    async def read_issued(self, link_ids: Sequence[UUID], app_ids: set[UUID]) -> dict[UUID, Issued]:
        """Return links by id, if they are of these apps."""
        if not link_ids:
            return {}
        rows = await self.pool.fetch(SQL.read_issued, list(link_ids), list(app_ids))
        return {row["id"]: Issued(**dict(row)) for row in rows}


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _link_row(link: NewLink) -> tuple[Any, ...]:
    draft, request = link.draft, link.draft.request
    client = request.client.model_dump_json(exclude_none=True) if request.client else None
    return (
        draft.link_id, link.kid, draft.app.id, link.user_id, request.type, request.channel, draft.lane, draft.redirect_url,
        draft.state, orjson.dumps(request.metadata).decode(), client, request.locale or draft.app.locale, request.time_zone,
        request.code_challenge, draft.ttl_seconds, draft.app.grant_ttl_seconds,
        draft.app.passcode_format if request.passcode else None, request.send_at,
    )  # fmt: skip


def _message_row(link: NewLink, message_id: UUID) -> tuple[Any, ...]:
    draft, request = link.draft, link.draft.request
    return (
        message_id, draft.link_id, draft.app.id, link.user_id, request.channel, link.recipient,
        request.locale or draft.app.locale, request.template, orjson.dumps(request.template_data).decode(), draft.lane,
    )  # fmt: skip


def _outbox_rows(
    links: Sequence[NewLink], messages: Mapping[UUID, UUID], times: Mapping[UUID, Row]
) -> list[OutboxRow]:
    rows = []
    for link in links:
        draft, created_at = link.draft, times[link.draft.link_id]["created_at"]
        facts = {"link_id": str(draft.link_id), "app_id": str(draft.app.id), "user_id": str(link.user_id)}
        issued = {
            **facts,
            "type": draft.request.type,
            "channel": draft.request.channel,
            "lane": draft.lane,
            "sequence": 1,
        }
        event = Event(
            "magiclink.link.issued.v1", f"{draft.link_id}.1", SOURCE, str(draft.link_id), issued, created_at
        )
        rows.append(lifecycle_row(event, link.user_id, link.headers))
        message_id = messages.get(draft.link_id)
        if message_id is not None:
            rows.append(
                queued_row(
                    SOURCE,
                    _message_facts(link, message_id),
                    Queueing(0, 0, draft.request.send_at),
                    link.headers,
                )
            )
    return rows


def _message_facts(link: NewLink, message_id: UUID) -> MessageFacts:
    draft = link.draft
    return MessageFacts(
        message_id, draft.link_id, draft.app.id, link.user_id, draft.request.channel, draft.lane
    )


def _issued(link: NewLink, times: Row, message_id: UUID | None) -> Issued:
    draft, request = link.draft, link.draft.request
    return Issued(
        id=draft.link_id,
        kid=link.kid,
        app_id=draft.app.id,
        user_id=link.user_id,
        type=request.type,
        status="issued" if times["not_before"] <= times["created_at"] else "scheduled",
        redirect_url=draft.redirect_url,
        state=draft.state,
        metadata=request.metadata,
        channel=request.channel,
        send_at=request.send_at,
        created_at=times["created_at"],
        expires_at=times["expires_at"],
        consumed_at=None,
        revoked_at=None,
        passcode_format=draft.app.passcode_format if request.passcode else None,
        passcode_epoch=0,
        message_id=message_id,
        message_status=None if message_id is None else "queued",
    )
