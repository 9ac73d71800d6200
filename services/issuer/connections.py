"""Connections: by what an organisation's people sign in, one an e-mail domain."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from services.issuer.paging import PageQuery, page
from services.issuer.tenancy import DIRECTORY_SQL as SQL
from services.issuer.tenancy import Reader
from services.issuer.user_fields import ForeignId
from shared.database import Pool, Row
from shared.errors import NotFound
from shared.recipients import RecipientInvalid, normalize_domain
from shared.tokens import new_link_id


def _domain(value: str) -> str:
    try:
        return normalize_domain(value)
    except RecipientInvalid as invalid:
        raise PydanticCustomError("domain_format", "{reason}", {"reason": str(invalid)}) from None


Domain = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_domain)]


class ConnectionCreate(BaseModel):
    """The body of `POST /v1/connections`. `organization_id` is kept from the call that makes the connection."""

    model_config = ConfigDict(extra="forbid")

    domain: Domain
    organization_id: ForeignId | None = None


class ConnectionQuery(PageQuery):
    """The query of `GET /v1/connections`."""

    domain: Domain | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """The one transition of connections."""

    pool: Pool

    async def ensure(self, app_id: UUID, wanted: ConnectionCreate) -> dict[str, Any]:
        """Return the connection of a domain, made if there is none. Asking again gives the same."""
        found = await self.pool.fetchrow(SQL.find_connection_of_domain, app_id, wanted.domain)
        if found is None:
            values = (new_link_id(), app_id, wanted.domain, wanted.organization_id)
            found = await self.pool.fetchrow(SQL.create_connection, *values)
        # Somebody else made it in between.
        if found is None:
            found = await self.pool.fetchrow(SQL.find_connection_of_domain, app_id, wanted.domain)
        return connection_view(_there(found))


async def find_connection(reader: Reader, app_id: UUID, connection_id: UUID) -> dict[str, Any]:
    """Return a connection. Raises `NotFound`."""
    return connection_view(_there(await reader.fetchrow(SQL.find_connection, app_id, connection_id)))


async def list_connections(reader: Reader, app_id: UUID, query: ConnectionQuery) -> dict[str, Any]:
    """Return a page of the app's connections, or the one of a domain."""
    if query.domain is not None:
        rows = await reader.fetch(SQL.find_connection_of_domain, app_id, query.domain)
    else:
        rows = await reader.fetch(SQL.list_connections, app_id, query.after, query.limit + 1)
    return page(rows, query.limit, connection_view)


def connection_view(row: Row) -> dict[str, Any]:
    """Return a connection as the API tells it: the columns of the table."""
    return {name: row[name] for name in ("id", "app_id", "type", "domain", "organization_id", "created_at")}


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFound("no such connection")
    return row
