"""Users of an app: an e-mail address, a phone number, or both, each once an app."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import asyncpg
import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.issuer.idempotency import Answered, Once, Work
from services.issuer.orders import Guard
from services.issuer.paging import PageQuery, page
from services.issuer.revoke import Revoke, revoke_live_links
from services.issuer.tenancy import SQL, Reader
from shared.database import Connection, Pool, Row
from shared.errors import AlreadyExists, FieldProblem, Forbidden, Invalid, NotFound
from shared.http.routes import Caller, KeyLimits
from shared.links import Email, Phone, SmallObject
from shared.recipients import domain_of
from shared.tokens import new_link_id

_UNIQUE = {"users_email": "email", "users_phone": "phone"}


class UserCreate(BaseModel):
    """The body of `POST /v1/users`."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = None
    phone: Phone | None = None
    metadata: SmallObject = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.email is None and self.phone is None:
            raise PydanticCustomError("address_missing", "give email, phone, or both")
        return self


class UserPatch(BaseModel):
    """The body of `PATCH /v1/users/{id}`: what is absent stays, null clears."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = None
    phone: Phone | None = None
    metadata: SmallObject | None = None


class UserQuery(PageQuery):
    """The query of `GET /v1/users`."""

    email: Email | None = None
    phone: Phone | None = None

    @field_validator("phone", mode="before")
    @classmethod
    def _plus(cls, value: Any) -> Any:
        # `?phone=+49…`: in a query an unescaped plus is a space (WHATWG URL, form encoding).
        return value.replace(" ", "+", 1) if isinstance(value, str) and value.startswith(" ") else value


@dataclass(frozen=True, slots=True)
class Users:
    """Reads and the transitions of users."""

    pool: Pool
    once: Once
    revoke: Revoke

    async def create(self, app_id: UUID, user: UserCreate, guard: Guard | None) -> Answered:
        """Make a user. Raises `AlreadyExists` naming the field that another user of the app has."""

        async def do(connection: Connection) -> dict[str, Any]:
            metadata = orjson.dumps(user.metadata).decode()
            with _taken_named():
                row = await connection.fetchrow(
                    SQL.create_user, new_link_id(), app_id, user.email, user.phone, metadata
                )
            return user_view(_there(row))

        async def again(connection: Connection, user_id: UUID) -> dict[str, Any]:
            return await find_user(connection, app_id, user_id)

        return await self.once.run(guard, Work(do, again))

    async def search(self, app_id: UUID, query: UserQuery) -> dict[str, Any]:
        """Return a page of the app's users, or the one with this address."""
        if query.email is not None:
            rows = await self.pool.fetch(SQL.find_user_by_email, app_id, query.email, query.phone)
        elif query.phone is not None:
            rows = await self.pool.fetch(SQL.find_user_by_phone, app_id, query.phone)
        else:
            rows = await self.pool.fetch(SQL.list_users, app_id, query.after, query.limit + 1)
        return page(rows, query.limit, user_view)

    async def change(
        self, caller: Caller, user_id: UUID, patch: UserPatch, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Change a user; a changed address counts as not verified, and live links are revoked.

        Raises `NotFound`, `AlreadyExists`, `Invalid`, or `Forbidden` for an address past the key's domains.
        """
        app_id = caller.app_id
        given = patch.model_fields_set
        fields = [
            "email" in given, patch.email, "phone" in given, patch.phone,
            "metadata" in given, orjson.dumps(patch.metadata or {}).decode(),
        ]  # fmt: skip
        async with self.pool.acquire() as connection, connection.transaction():
            before = _there(await connection.fetchrow(SQL.lock_user, app_id, user_id))
            with _taken_named():
                after = _there(await connection.fetchrow(SQL.update_user, app_id, user_id, *fields))
            moved = any(before[name] != after[name] for name in ("email", "phone"))
            if moved:
                _check_domains(caller.limits, before["email"], after["email"])
            # A link that was sent to the old address would let whoever reads it there sign in as this user.
            revoked = await revoke_live_links(connection, app_id, user_id, headers) if moved else []
        await self.revoke.tell(revoked)
        return user_view(after)

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
    return user_view(_there(await reader.fetchrow(SQL.find_user, app_id, user_id)))


def _check_domains(limits: KeyLimits, before: str | None, after: str | None) -> None:
    # Else a key that reaches shop.example only could move anybody there, and sign in as them.
    domains = limits.recipient_domains
    if domains is not None and not all(email and domain_of(email) in domains for email in (before, after)):
        raise Forbidden("this key changes addresses within its recipient_domains only")


def user_view(row: Row) -> dict[str, Any]:
    """Return a user as the API tells it: the columns of the table."""
    names = (
        "id", "app_id", "email", "phone", "email_verified", "phone_verified", "metadata", "created_at", "updated_at",
    )  # fmt: skip
    return {name: row[name] for name in names}


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
    except asyncpg.CheckViolationError:
        # The table's only check on what a caller can change: somebody without any address.
        raise Invalid(
            [FieldProblem("email", "address_missing", "email and phone cannot both be cleared")]
        ) from None
