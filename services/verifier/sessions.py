"""The transition of sessions: started once for each proof, extended, used, revoked.

A session's id is derived from what opened it, so a start whose outcome was lost is asked for again and finds itself. Nothing that is
stored signs anybody in: its tokens are derived (session_tokens).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from services.verifier.proof import LoginWanted, Proven, SessionWanted
from services.verifier.session_tokens import SessionTokens
from services.verifier.verdict import barred
from shared.database import Pool, Row
from shared.errors import FieldProblem, Invalid, LinkRevoked, SessionInvalid, Unavailable
from shared.outbox import OutboxBell
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).parent / "sessions.sql")
MOST_LISTED = 1_000
PROOF_TIME = timedelta(hours=1)
"""How long after a proof its session can be started: as long as an outage may keep its winner waiting."""
_REVOKED_A_STEP = 500


@dataclass(frozen=True, slots=True)
class Touch:
    """How a session changes when it is used: `claims` are merged, null takes one away; it never ends earlier."""

    expires_in_seconds: int | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)


class Sessions:
    """Sessions of an app's users. Each call is one autocommitted statement, or reads what became of one."""

    def __init__(self, pool: Pool, tokens: SessionTokens, bell: OutboxBell) -> None:
        self._pool = pool
        self.tokens = tokens
        self._bell = bell

    async def begin(
        self, proven: Proven, wanted: LoginWanted, session: SessionWanted
    ) -> tuple[Row, dict[str, Any]]:
        """Start the session that a proof asks for, or extend the one it names; return it, and what changed of the user by that.

        Raises what bars the user, `LinkRevoked` for one who was deleted meanwhile, `SessionInvalid` when the session of this proof is over,
        or the proof too old to open one.
        """
        if session.extends is not None:
            extended = await self._extend(proven, session, session.extends)
            # One that ended since the caller was asked: what was proven stands, so they get a session of its own.
            if extended is not None:
                return extended, {}
        started = None if _is_late(proven) else await self._start(proven, wanted, session)
        if started is None:
            return await self._find_started(proven), {}
        self._bell.ring()
        names = ("login_count", "last_login_at")
        return started, {name: started[f"holder_{name}"] for name in names}

    async def find(self, app_id: UUID, session_id: UUID) -> Row:
        """Return a session with its user and app, whether it lives or not. Raises `SessionInvalid`."""
        row: Row | None = await self._pool.fetchrow(SQL.find_session, app_id, session_id)
        if row is None:
            raise SessionInvalid
        return row

    async def find_live(self, app_id: UUID, session_id: UUID) -> Row:
        """Return a live session with its user and app. Raises `SessionInvalid`, or what bars its user."""
        row = await self.find(app_id, session_id)
        if not row["lives"]:
            raise SessionInvalid
        if row["holder_bar"]:
            raise barred(row)
        return row

    async def list_live(self, app_id: UUID, user_id: UUID) -> Sequence[Row]:
        """Return a user's live sessions, newest first, the newest thousand."""
        return await self._pool.fetch(SQL.list_sessions, app_id, user_id, None, MOST_LISTED)

    async def find_holder(self, app_id: UUID, user_id: UUID) -> Row | None:
        """Return a user and their app."""
        row: Row | None = await self._pool.fetchrow(SQL.find_holder, app_id, user_id)
        return row

    async def find_login_app(self, app_id: UUID, applications: Sequence[UUID] = ()) -> Row:
        """Return how an app signs users in, and which of these ids are applications of it."""
        row: Row | None = await self._pool.fetchrow(SQL.find_login_app, app_id, list(applications))
        if row is None:
            raise SessionInvalid
        return row

    async def find_registration(self, app_id: UUID, application_id: UUID, user_id: UUID) -> Row | None:
        """Return a user's registration at an active application (its `id` None: not registered); None: there is no such application."""
        row: Row | None = await self._pool.fetchrow(SQL.find_registration, app_id, application_id, user_id)
        return row

    async def use(self, app_id: UUID, session_id: UUID, touch: Touch) -> Row:
        """Mark a live session as used, and change it; return it with its user and app. Raises `SessionInvalid`, or what bars its user."""
        try:
            row: Row | None = await self._pool.fetchrow(
                SQL.touch_session, app_id, session_id, *_merged(touch.claims), touch.expires_in_seconds
            )
        except asyncpg.CheckViolationError:
            raise _claims_too_large("claims") from None
        if row is None:
            await self.find_live(app_id, session_id)  # says why not
            raise Unavailable("the session is being changed", retry_after_seconds=1)
        return row

    async def revoke(self, app_id: UUID, session_ids: Sequence[UUID], request_id: str) -> int:
        """Revoke live sessions; return how many there were."""
        revoked = await self._pool.fetch(SQL.revoke_sessions, app_id, list(session_ids), request_id)
        if revoked:
            self._bell.ring()
        return len(revoked)

    async def revoke_of_user(
        self, app_id: UUID, user_id: UUID, application_id: UUID | None, request_id: str
    ) -> int:
        """Revoke a user's live sessions, of one application or all; return how many there were."""
        return await self._revoke_listed(app_id, request_id, SQL.list_sessions, user_id, application_id)

    async def revoke_of_application(self, app_id: UUID, application_id: UUID, request_id: str) -> int:
        """Revoke the live sessions of an application; return how many there were."""
        return await self._revoke_listed(app_id, request_id, SQL.list_sessions_of_application, application_id)

    async def _revoke_listed(self, app_id: UUID, request_id: str, block: str, *named: UUID | None) -> int:
        total = 0
        while True:
            # Small steps: an application may have millions, and a statement has five seconds.
            listed = await self._pool.fetch(block, app_id, *named, _REVOKED_A_STEP)
            total += await self.revoke(app_id, [row["id"] for row in listed], request_id)
            if len(listed) < _REVOKED_A_STEP:
                return total

    async def _start(self, proven: Proven, wanted: LoginWanted, session: SessionWanted) -> Row | None:
        row = proven.row
        try:
            started: Row | None = await self._pool.fetchrow(
                SQL.start_session,
                self._id(proven),
                self.tokens.newest_kid,
                row["login_app"],
                row["holder_id"],
                wanted.application_id,
                None if proven.link is None else proven.link.link_id,
                proven.asked.opener,
                list(proven.factors),
                None if wanted.client is None else dict(wanted.client),
                dict(session.claims),
                session.refresh,
                session.expires_in_seconds or row["session_seconds"],
                proven.asked.request_id,
            )
        except asyncpg.ForeignKeyViolationError:
            raise LinkRevoked from None  # the user was deleted this moment
        return started

    async def _find_started(self, proven: Proven) -> Row:
        """Return the session that this proof opened before, or raise why it opened none."""
        app_id, user_id = proven.row["login_app"], proven.row["holder_id"]
        found: Row | None = await self._pool.fetchrow(SQL.find_session, app_id, self._id(proven))
        if found is not None and found["user_id"] == user_id:
            # Who was signed out is not signed in again by asking again: a JWT would say so to whoever looks no further.
            if not found["lives"]:
                raise SessionInvalid
            return found
        holder = await self.find_holder(app_id, user_id)
        if holder is None:
            raise LinkRevoked
        if holder["holder_bar"]:
            raise barred(holder)
        if _is_late(proven):
            raise SessionInvalid
        raise Unavailable("the session is being started", retry_after_seconds=1)

    async def _extend(self, proven: Proven, session: SessionWanted, session_id: UUID) -> Row | None:
        row = proven.row
        try:
            extended: Row | None = await self._pool.fetchrow(
                SQL.extend_session,
                row["login_app"],
                session_id,
                row["holder_id"],
                list(proven.factors),
                *_merged(session.claims),
                session.expires_in_seconds,
                session.refresh,
            )
        except asyncpg.CheckViolationError:
            raise _claims_too_large("session.claims") from None
        return extended

    def _id(self, proven: Proven) -> UUID:
        if proven.link is None:
            return proven.asked.attempt_id
        return self.tokens.id_of_link(proven.link, proven.asked.opener)


def _is_late(proven: Proven) -> bool:
    """Say whether a proof is too old to open a session, though it is its winner who asks again.

    Else a link of long ago would open a second one, once the first is over and swept.
    """
    shown_at: datetime = proven.told_at or proven.at
    return bool(proven.row["looked_at"] - shown_at > PROOF_TIME)


def _merged(claims: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the claims to set and those to take away."""
    kept = {name: value for name, value in claims.items() if value is not None}
    return kept, [name for name, value in claims.items() if value is None]


def _claims_too_large(field_name: str) -> Invalid:
    return Invalid(
        [FieldProblem(field_name, "too_large", "with those that the session has they take more than 16 KB")]
    )
