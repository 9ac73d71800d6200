"""Registrations: that a user may sign in to an application, and as what."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import BaseModel, ConfigDict, Field

from services.issuer.ended_sessions import Ending, end_sessions
from services.issuer.idempotency import Answered, Once, Work
from services.issuer.orders import Guard
from services.issuer.tenancy import DIRECTORY_SQL as SQL
from services.issuer.tenancy import Reader
from services.issuer.user_fields import ChosenId, Flag, Roles, Username
from services.issuer.users import find_user
from shared.database import Connection, Pool, Row
from shared.errors import AlreadyExists, FieldProblem, Invalid, NotFound
from shared.links import MiddlingObject
from shared.outbox import OutboxBell
from shared.tokens import new_link_id
from shared.users import registration_view


class RegistrationCreate(BaseModel):
    """The body of `POST /v1/users/{id}/registrations`. `id`: the caller's own, else one is made."""

    model_config = ConfigDict(extra="forbid")

    application_id: UUID
    id: ChosenId | None = None
    roles: Roles = Field(default_factory=list)
    username: Username | None = None
    verified: Flag = True
    metadata: MiddlingObject = Field(default_factory=dict)


class RegistrationPatch(BaseModel):
    """The body of `PATCH /v1/users/{id}/registrations/{application_id}`: what is absent stays, null clears the user name."""

    model_config = ConfigDict(extra="forbid")

    roles: Roles | None = None
    username: Username | None = None
    verified: Flag | None = None
    metadata: MiddlingObject | None = None


@dataclass(frozen=True, slots=True)
class Registrations:
    """Reads and the transitions of registrations. Who names one names its app, user and application."""

    pool: Pool
    once: Once
    bell: OutboxBell

    async def create(
        self, app_id: UUID, user_id: UUID, wanted: RegistrationCreate, guard: Guard | None
    ) -> Answered:
        """Register a user. Raises `NotFound` for the user, `Invalid` for the application, `AlreadyExists`."""

        async def do(connection: Connection) -> dict[str, Any]:
            await find_user(connection, app_id, user_id)
            new_id = wanted.id or new_link_id()
            with _taken_named():
                row = await connection.fetchrow(
                    SQL.create_registration, app_id, user_id, new_id, wanted.application_id, *_values(wanted.model_dump())
                )  # fmt: skip
            if row is None:
                raise Invalid(
                    [FieldProblem("application_id", "application_unknown", "is no application of this app")]
                )
            return registration_view(row)

        async def again(connection: Connection, registration_id: UUID) -> dict[str, Any]:
            row = await connection.fetchrow(SQL.find_registration_by_id, app_id, registration_id)
            return registration_view(_there(row))

        return await self.once.run(guard, Work(do, again))

    async def change(
        self, app_id: UUID, user_id: UUID, application_id: UUID, patch: RegistrationPatch
    ) -> dict[str, Any]:
        """Change a registration. Raises `NotFound`."""
        named = (app_id, user_id, application_id)
        async with self.pool.acquire() as connection, connection.transaction():
            after = registration_view(_there(await connection.fetchrow(SQL.lock_registration, *named)))
            after |= patch.model_dump(exclude_none=True)
            if "username" in patch.model_fields_set:
                after["username"] = patch.username
            row = await connection.fetchrow(SQL.update_registration, *named, *_values(after))
        return registration_view(_there(row))

    async def delete(
        self, app_id: UUID, user_id: UUID, application_id: UUID, headers: Mapping[str, str]
    ) -> None:
        """Delete a registration and end the user's sessions with the application. Raises `NotFound`."""
        async with self.pool.acquire() as connection, connection.transaction():
            _there(await connection.fetchrow(SQL.delete_registration, app_id, user_id, application_id))
            ending = Ending(app_id, "registration_deleted", user_id, application_id)
            await end_sessions(connection, ending, headers)
        self.bell.ring()


async def find_registration(
    reader: Reader, app_id: UUID, user_id: UUID, application_id: UUID
) -> dict[str, Any]:
    """Return a registration's view. Raises `NotFound`."""
    row = await reader.fetchrow(SQL.find_registration, app_id, user_id, application_id)
    return registration_view(_there(row))


async def list_registrations(reader: Reader, app_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Return all registrations of a user, of whom there are as many as applications at most. Raises `NotFound` for the user."""
    await find_user(reader, app_id, user_id)
    rows = await reader.fetch(SQL.list_registrations, app_id, user_id)
    return {"items": [registration_view(row) for row in rows]}


def _values(values: dict[str, Any]) -> list[Any]:
    names = ("roles", "username", "verified")
    return [*(values[name] for name in names), orjson.dumps(values["metadata"]).decode()]


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFound("no such registration")
    return row


@contextmanager
def _taken_named() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        field = "id" if error.constraint_name == "registrations_id_key" else "application_id"
        raise AlreadyExists(f"{field}: there is a registration with it") from None
