"""Connections: one by magic link for each e-mail domain, made when it is first needed (VENDORS §2.3)."""

from dataclasses import dataclass
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.compat.accounts import Account
from services.compat.parts import CompatParts
from services.compat.workos import callers, ids, shapes
from shared.http.routes import Call, json_response, validate


class ConnectionsQuery(BaseModel):
    """The query of the list. `organization_id` and `search` would name what is not kept here."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    after: Annotated[str, Field(max_length=200)] | None = None
    domain: Annotated[str, Field(max_length=253)] | None = None
    connection_type: str | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """The handlers."""

    parts: CompatParts

    async def list(self, call: Call) -> web.Response:
        """List connections; `domain` finds one."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = validate(ConnectionsQuery, dict(call.request.query))
        if asked.connection_type not in (None, "MagicLink"):
            return json_response(shapes.page([]))
        query = {"domain": asked.domain, "limit": asked.limit, "cursor": asked.after}
        found = await account.native.issuer("GET", "/v1/connections", query=query)
        items = [shapes.connection(item) for item in found["items"]]
        return json_response(shapes.page(items, after=found.get("next_cursor")))

    async def get(self, call: Call) -> web.Response:
        """Read a connection."""
        account = await callers.of_api_key(self.parts.accounts, call)
        connection_id = ids.native_id(ids.CONNECTION, call.request.match_info["id"])
        found = await account.native.issuer("GET", f"/v1/connections/{connection_id}")
        return json_response(shapes.connection(found))


async def connection_of(account: Account, email: str, key: str | None = None) -> dict[str, Any]:
    """Return the connection of an address's domain, made if there is none."""
    domain = email.rpartition("@")[2]
    found: dict[str, Any] = await account.native.issuer(
        "POST", "/v1/connections", {"domain": domain}, key=key
    )
    return found
