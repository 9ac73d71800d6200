"""The transition `refresh`: a refresh token becomes the session's next one (RFC 6749 §6, rotation by RFC 9700 §4.14.2).

What an attacker tries: an old refresh token out of a log or a backup. With rotation each works once; whoever shows an older one, thief or
robbed, ends the session. The same attempt again gets its answer again, as long as nobody rotated after it.
"""

from dataclasses import dataclass
from uuid import UUID, uuid4

from services.verifier.session_tokens import SessionTokens
from services.verifier.sessions import SQL, Sessions
from services.verifier.verdict import barred
from shared.database import Pool, Row
from shared.errors import RefreshTokenInvalid, SessionInvalid
from shared.outbox import OutboxBell
from shared.tokens import attempt_id


@dataclass(frozen=True, slots=True, repr=False)
class RefreshWanted:
    """A refresh token that an app shows. `rotate`: it is worthless afterwards. `application_id`: the session must be of that one."""

    app_id: UUID
    token: str
    rotate: bool
    application_id: UUID | None
    idempotency_key: str | None
    request_id: str


class Refresh:
    """Refreshes sessions."""

    def __init__(self, pool: Pool, sessions: Sessions, bell: OutboxBell) -> None:
        self._pool = pool
        self._sessions = sessions
        self._bell = bell

    async def refresh(self, wanted: RefreshWanted) -> Row:
        """Return the session with its user and app, at its newest epoch.

        Raises `RefreshTokenInvalid` for whatever is wrong with token or session, and what bars the user.
        """
        tokens: SessionTokens = self._sessions.tokens
        named = tokens.refresh_of(wanted.token)
        if named is None:
            raise RefreshTokenInvalid
        session, epoch = named
        key = f"refresh:{wanted.app_id}:{epoch}:{wanted.idempotency_key}"
        attempt = uuid4() if wanted.idempotency_key is None else attempt_id(tokens.ring, session, key)
        row: Row | None = await self._pool.fetchrow(
            SQL.refresh_session,
            wanted.app_id,
            session.link_id,
            epoch,
            wanted.rotate,
            attempt,
            wanted.application_id,
            wanted.request_id,
        )
        if row is None:
            await self._refuse_barred(wanted.app_id, session.link_id)
            raise RefreshTokenInvalid
        if row["revoked_at"] is not None:
            self._bell.ring()
            raise RefreshTokenInvalid
        return row

    async def _refuse_barred(self, app_id: UUID, session_id: UUID) -> None:
        """Raise what bars the user of a session that lives otherwise."""
        try:
            row = await self._sessions.find(app_id, session_id)
        except SessionInvalid:
            return
        if row["lives"] and row["holder_bar"]:
            raise barred(row)
