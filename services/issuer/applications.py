"""Applications: what a tenant's users sign in to. An application's id is the audience of its users' JWTs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.issuer.app_identity import one_line
from services.issuer.ended_sessions import Ending, end_sessions
from services.issuer.idempotency import Answered, Once, Work
from services.issuer.orders import Guard
from services.issuer.paging import PageQuery, page
from services.issuer.tenancy import DIRECTORY_SQL as SQL
from services.issuer.tenancy import Reader
from services.issuer.user_fields import ChosenId, Flag, Roles
from shared.database import Connection, Pool, Row
from shared.errors import AlreadyExists, NotFound
from shared.links import MiddlingObject
from shared.outbox import OutboxBell
from shared.tokens import new_link_id

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]


class ApplicationCreate(BaseModel):
    """The body of `POST /v1/applications`. `id`: the caller's own, else one is made."""

    model_config = ConfigDict(extra="forbid")

    id: ChosenId | None = None
    name: Name
    roles: Roles = Field(default_factory=list)
    refresh_tokens: Flag = False
    require_verified_registration: Flag = False
    active: Flag = True
    metadata: MiddlingObject = Field(default_factory=dict)


class ApplicationPatch(BaseModel):
    """The body of `PATCH /v1/applications/{id}`: what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    roles: Roles | None = None
    refresh_tokens: Flag | None = None
    require_verified_registration: Flag | None = None
    active: Flag | None = None
    metadata: MiddlingObject | None = None


@dataclass(frozen=True, slots=True)
class Applications:
    """Reads and the transitions of applications."""

    pool: Pool
    once: Once
    bell: OutboxBell

    async def create(self, app_id: UUID, wanted: ApplicationCreate, guard: Guard | None) -> Answered:
        """Make an application. Raises `AlreadyExists` when its id stands for somebody already."""

        async def do(connection: Connection) -> dict[str, Any]:
            return await create_application(connection, app_id, wanted)

        async def again(connection: Connection, application_id: UUID) -> dict[str, Any]:
            return await find_application(connection, app_id, application_id)

        return await self.once.run(guard, Work(do, again))

    async def change(self, app_id: UUID, application_id: UUID, patch: ApplicationPatch) -> dict[str, Any]:
        """Change an application. Raises `NotFound`."""
        async with self.pool.acquire() as connection, connection.transaction():
            before = _there(await connection.fetchrow(SQL.lock_application, app_id, application_id))
            after = {**application_view(before), **patch.model_dump(exclude_none=True)}
            row = await connection.fetchrow(SQL.update_application, app_id, application_id, *_values(after))
        return application_view(_there(row))

    async def delete(self, app_id: UUID, application_id: UUID, headers: Mapping[str, str]) -> None:
        """Delete an application with its registrations, and end its sessions. Raises `NotFound`."""
        async with self.pool.acquire() as connection, connection.transaction():
            _there(await connection.fetchrow(SQL.delete_application, app_id, application_id))
            ending = Ending(app_id, "application_deleted", application_id=application_id)
            await end_sessions(connection, ending, headers)
        self.bell.ring()


async def create_application(
    connection: Connection, app_id: UUID, wanted: ApplicationCreate
) -> dict[str, Any]:
    """Make an application within the caller's transaction. Raises `AlreadyExists` when its id stands for somebody already."""
    with _taken_named():
        row = await connection.fetchrow(
            SQL.create_application, wanted.id or new_link_id(), app_id, *_values(wanted.model_dump())
        )
    if row is None:
        raise AlreadyExists("id: it is the audience of another's JWTs")
    return application_view(row)


async def find_application(reader: Reader, app_id: UUID, application_id: UUID) -> dict[str, Any]:
    """Return an application's view. Raises `NotFound`."""
    return application_view(_there(await reader.fetchrow(SQL.find_application, app_id, application_id)))


async def list_applications(reader: Reader, app_id: UUID, query: PageQuery) -> dict[str, Any]:
    """Return a page of the app's applications."""
    rows = await reader.fetch(SQL.list_applications, app_id, query.after, query.limit + 1)
    return page(rows, query.limit, application_view)


def application_view(row: Row) -> dict[str, Any]:
    """Return an application as the API tells it: the columns of the table."""
    names = (
        "id", "app_id", "name", "roles", "refresh_tokens", "require_verified_registration", "active", "metadata", "created_at",
        "updated_at",
    )  # fmt: skip
    return {name: row[name] for name in names}


def _values(values: dict[str, Any]) -> list[Any]:
    names = ("name", "roles", "refresh_tokens", "require_verified_registration", "active")
    return [*(values[name] for name in names), orjson.dumps(values["metadata"]).decode()]


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFound("no such application")
    return row


@contextmanager
def _taken_named() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError:
        # Another app's too: two apps with one audience could sign in as each other's users.
        raise AlreadyExists("id: there is an application with it") from None
