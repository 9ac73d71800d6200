"""Users of an app: an e-mail address, a phone number, a user name, or several, each once an app."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.issuer.ended_sessions import Ending, end_sessions
from services.issuer.idempotency import Answered, Once, Work
from services.issuer.orders import Guard
from services.issuer.paging import page
from services.issuer.revoke import Revoke, revoke_live_links
from services.issuer.tenancy import DIRECTORY_SQL as SQL
from services.issuer.tenancy import Reader
from services.issuer.user_fields import UserCreate, UserPatch, UserQuery, changed_values, columns_of
from shared.database import Connection, Pool, Row
from shared.errors import AlreadyExists, FieldProblem, Forbidden, Invalid, NotFound
from shared.http.routes import Caller, KeyLimits
from shared.public_ids import parse_id
from shared.recipients import domain_of
from shared.tokens import new_link_id
from shared.users import user_view

_UNIQUE: Final = {
    # Ids are unique in the whole cluster: a taken one says that somebody has it, not who.
    "users_pkey": "id",
    "users_email": "email",
    "users_phone": "phone",
    "users_username": "username",
    "users_external_id": "external_id",
    "users_imported_id": "imported_id",
}
_FINDERS: Final = {
    "email": SQL.find_user_by_email,
    "phone": SQL.find_user_by_phone,
    "external_id": SQL.find_user_by_external_id,
    "imported_id": SQL.find_user_by_imported_id,
    "username": SQL.find_user_by_username,
}


@dataclass(frozen=True, slots=True)
class Users:
    """Reads and the transitions of users."""

    pool: Pool
    once: Once
    revoke: Revoke

    async def create(self, app_id: UUID, user: UserCreate, guard: Guard | None) -> Answered:
        """Make a user. Raises `AlreadyExists` naming the field that another user has, or `Invalid`."""

        async def do(connection: Connection) -> dict[str, Any]:
            user_id = await _id_of(connection, app_id, user)
            with _taken_named():
                row = await connection.fetchrow(
                    SQL.create_user, user_id, app_id, user.imported_id, *columns_of(user.model_dump())
                )
            return told(_there(row))

        async def again(connection: Connection, user_id: UUID) -> dict[str, Any]:
            return await find_user(connection, app_id, user_id)

        return await self.once.run(guard, Work(do, again))

    async def search(self, app_id: UUID, query: UserQuery) -> dict[str, Any]:
        """Return a page of the app's users, or the one who is all that the query names."""
        if query.named:
            name, value = next(iter(query.named.items()))
            found = await self.pool.fetch(_FINDERS[name], app_id, value)
            rows = [row for row in found if all(row[other] == text for other, text in query.named.items())]
        else:
            rows = await self.pool.fetch(SQL.list_users, app_id, query.after, query.limit + 1)
        return page(rows, query.limit, told)

    async def change(
        self, caller: Caller, user_id: UUID, patch: UserPatch, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Change a user; a changed address counts as not verified, and live links are revoked.

        Who becomes inactive has no sessions left. Raises `NotFound`, `AlreadyExists`, `Invalid`, or `Forbidden` for an address
        past the key's domains.
        """
        app_id = caller.app_id
        async with self.pool.acquire() as connection, connection.transaction():
            before = _there(await connection.fetchrow(SQL.lock_user, app_id, user_id))
            values = columns_of(changed_values(before, patch))
            with _taken_named():
                after = _there(await connection.fetchrow(SQL.update_user, app_id, user_id, *values))
            moved = any(before[name] != after[name] for name in ("email", "phone"))
            if moved:
                _check_domains(caller.limits, before, after)
            # A link that was sent to the old address would let whoever reads it there sign in as this user.
            revoked = await revoke_live_links(connection, app_id, user_id, headers) if moved else []
            if after["status"] == "inactive":
                await end_sessions(connection, Ending(app_id, "user_inactive", user_id), headers)
        await self.revoke.tell(revoked)
        self.revoke.bell.ring()
        return told(after)

    async def delete(self, app_id: UUID, user_id: UUID, headers: Mapping[str, str]) -> None:
        """Delete a user and revoke what could still sign them in, together. Raises `NotFound`."""
        async with self.pool.acquire() as connection, connection.transaction():
            _there(await connection.fetchrow(SQL.delete_user, app_id, user_id))
            revoked = await revoke_live_links(connection, app_id, user_id, headers)
            # After the links are locked: a passcode's try locks its link first and its user's day afterwards.
            await connection.execute(SQL.forget_user, app_id, user_id)
        await self.revoke.tell(revoked)


async def find_user(reader: Reader, app_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Return a user's view. Raises `NotFound`."""
    return told(_there(await reader.fetchrow(SQL.find_user, app_id, user_id)))


def told(row: Row) -> dict[str, Any]:
    """Return a user as the API tells it, from a row that also has its app's `user_id_format`."""
    return user_view(row, row["user_id_format"])


async def _id_of(connection: Connection, app_id: UUID, user: UserCreate) -> UUID:
    """Return the id that a new user gets.

    An `imported_id` that reads as one of the app's own public ids is that id: else two users could have one name towards the
    product, and one `sub`.
    """
    if user.imported_id is not None:
        user_id_format = await connection.fetchval(SQL.find_user_id_format, app_id)
        meant = parse_id(user_id_format, user.imported_id)
        if meant is not None and user.id not in (None, meant):
            words = f"reads as the id {meant} in this app's user_id_format; give that id, or none"
            raise Invalid([FieldProblem("imported_id", "imported_id_other", words)])
        if meant is not None:
            return meant
    return user.id or new_link_id()


def _check_domains(limits: KeyLimits, before: Row, after: Row) -> None:
    # Else a key that reaches shop.example only could move anybody there, and sign in as them, or have their texts sent to a phone.
    domains = limits.recipient_domains
    if domains is None:
        return
    emails = (before["email"], after["email"])
    if after["phone"] not in (None, before["phone"]) or not all(
        email and domain_of(email) in domains for email in emails
    ):
        raise Forbidden("this key changes addresses within its recipient_domains only")


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFound("no such user")
    return row


@contextmanager
def _taken_named() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        field = _UNIQUE.get(error.constraint_name or "")
        if field is None:
            raise
        raise AlreadyExists(f"{field}: another user of this app has it") from None
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "users_named":
            raise
        words = "email, phone and username cannot all be cleared"
        raise Invalid([FieldProblem("email", "address_missing", words)]) from None
