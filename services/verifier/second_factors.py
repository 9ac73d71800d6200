"""The second factors of users: made, confirmed with a code, listed, deleted.

`users.has_second_factor` follows in the same transaction: it is what a sign-in asks. The user is locked first, so that two changes do not
pass each other. A deleted factor takes the user's trusted devices along: it may have been deleted because a device was lost.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from services.verifier import totp
from services.verifier.sealing import FactorOf, newest_kid, seal, unseal
from shared.database import Connection, Pool, Row
from shared.errors import FieldProblem, IdempotencyConflict, Invalid, NotFound, SecondFactorInvalid
from shared.keys import KeyRing
from shared.sql_blocks import SqlBlocks
from shared.tokens import LinkRef, attempt_id, new_link_id

SQL = SqlBlocks(Path(__file__).parent / "second_factors.sql")
MOST_FACTORS = 5


@dataclass(frozen=True, slots=True, repr=False)
class FactorWanted:
    """A factor to be made: `secret` of the caller's own, None for a new one; with its `code` it is confirmed at once."""

    app_id: UUID
    user_id: UUID
    secret: bytes | None
    code: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, repr=False)
class FactorMade:
    """A factor with its secret, which is told by the creating answer only (and by its replay, for a day)."""

    row: Row
    secret: bytes
    uri: str
    replayed: bool


class SecondFactors:
    """The transitions of second factors, and their list."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool = pool
        self._ring = ring

    async def create(self, wanted: FactorWanted) -> FactorMade:
        """Make a factor, in place of one that was never confirmed.

        Raises `NotFound` for the user, `SecondFactorInvalid` for a wrong code, `Invalid` for one factor too many, and
        `IdempotencyConflict` for a key that was used with another secret.
        """
        factor_id = self._factor_id(wanted)
        async with self._pool.acquire() as connection, connection.transaction():
            holder = await _lock_holder(connection, wanted.app_id, wanted.user_id)
            row: Row | None = await connection.fetchrow(
                SQL.find_factor, wanted.app_id, wanted.user_id, factor_id
            )
            replayed = row is not None
            if row is not None:
                secret = self._again(row, wanted)
            else:
                new = _new(wanted, factor_id, holder["now_seconds"])
                row, secret = await self._insert(connection, wanted, new), new.secret
            account = await connection.fetchrow(SQL.factor_account, wanted.app_id, wanted.user_id)
        if account is None:
            raise NotFound("no such user")
        uri = totp.provisioning_uri(secret, account["product"], account["account"])
        return FactorMade(row, secret, uri, replayed)

    async def confirm(self, app_id: UUID, user_id: UUID, factor_id: UUID, code: str) -> Row:
        """Confirm a factor with a code of it. Of a confirmed one only codes that were used are right: asking again is no fault."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock_holder(connection, app_id, user_id)
            row = await connection.fetchrow(SQL.find_factor, app_id, user_id, factor_id)
            if row is None:
                raise NotFound("no such second factor")
            secret = unseal(self._ring, row["kid"], FactorOf(row["id"], user_id), row["secret"])
            step = None if secret is None else totp.matching_step(secret, code, row["now_seconds"])
            if step is None or _is_guess(row, step):
                raise SecondFactorInvalid
            confirmed = await connection.fetchrow(SQL.confirm_factor, app_id, user_id, factor_id, step)
            await connection.execute(SQL.follow_factors, app_id, user_id)
        return confirmed or row

    async def list(self, app_id: UUID, user_id: UUID) -> Sequence[Row]:
        """Return the user's factors, oldest first; none for an unknown user."""
        return await self._pool.fetch(SQL.list_factors, app_id, user_id)

    async def delete(self, app_id: UUID, user_id: UUID, factor_id: UUID | None) -> None:
        """Delete one factor, or all (None). Raises `NotFound` for an unknown user, or when the one is not there."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock_holder(connection, app_id, user_id)
            deleted = await connection.fetch(SQL.delete_factors, app_id, user_id, factor_id)
            if factor_id is not None and not deleted:
                raise NotFound("no such second factor")
            await connection.execute(SQL.revoke_trusted_devices, app_id, user_id)
            await connection.execute(SQL.follow_factors, app_id, user_id)

    def _factor_id(self, wanted: FactorWanted) -> UUID:
        if wanted.idempotency_key is None:
            return new_link_id()
        named = LinkRef(self._ring.newest["replay"], wanted.user_id)
        return attempt_id(self._ring, named, f"second-factor:{wanted.app_id}:{wanted.idempotency_key}")

    def _again(self, row: Row, wanted: FactorWanted) -> bytes:
        """Return the secret of a factor that the same key has made before."""
        factor = FactorOf(row["id"], wanted.user_id)
        secret = unseal(self._ring, row["kid"], factor, row["secret"]) if row["made_today"] else None
        if secret is None or (wanted.secret and not hmac.compare_digest(secret, wanted.secret)):
            raise IdempotencyConflict
        return secret

    async def _insert(self, connection: Connection, wanted: FactorWanted, new: "_New") -> Row:
        who, kid = (wanted.app_id, wanted.user_id), newest_kid(self._ring)
        await connection.execute(SQL.drop_unconfirmed_factors, *who, new.id)
        sealed = seal(self._ring, kid, FactorOf(new.id, wanted.user_id), new.secret)
        row = await connection.fetchrow(SQL.create_factor, *who, new.id, kid, sealed, new.step, MOST_FACTORS)
        if row is None:
            message = f"has {MOST_FACTORS} second factors already"
            raise Invalid([FieldProblem("user_id", "too_many_second_factors", message)])
        await connection.execute(SQL.follow_factors, *who)
        return row


@dataclass(frozen=True, slots=True, repr=False)
class _New:
    """A factor before its row. `step`: of the code that confirms it at once."""

    id: UUID
    secret: bytes
    step: int | None


def _new(wanted: FactorWanted, factor_id: UUID, now_seconds: float) -> _New:
    secret = wanted.secret or totp.new_secret()
    if wanted.code is None:
        return _New(factor_id, secret, None)
    step = totp.matching_step(secret, wanted.code, now_seconds)
    if step is None:
        raise SecondFactorInvalid
    return _New(factor_id, secret, step)


def _is_guess(row: Row, step: int) -> bool:
    """Say whether a code of a confirmed factor still opens a challenge: here nobody counts the guesses at it."""
    return row["confirmed_at"] is not None and bool(step > row["last_step"])


def factor_view(row: Row) -> dict[str, Any]:
    """Return a factor as the API tells it: never its secret."""
    return {name: row[name] for name in ("id", "type", "confirmed_at", "created_at")}


async def _lock_holder(connection: Connection, app_id: UUID, user_id: UUID) -> Row:
    holder = await connection.fetchrow(SQL.lock_holder, app_id, user_id)
    if holder is None:
        raise NotFound("no such user")
    return holder
