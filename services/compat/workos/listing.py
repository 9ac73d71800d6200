"""The list of users, in pages whose cursors are users' ids (VENDORS §2.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.compat.accounts import Account
from services.compat.parts import CompatParts
from services.compat.workos import callers, shapes
from services.compat.workos.users import find_user
from shared.http.routes import Call, json_response, validate
from shared.links import Email

_Cursor = Annotated[str, Field(min_length=1, max_length=200)]


class UsersQuery(BaseModel):
    """The query of the list. Nobody is a member of an organisation here."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    after: _Cursor | None = None
    before: _Cursor | None = None
    order: Literal["asc", "desc", "normal"] = "desc"
    email: Email | None = None
    organization_id: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How one page is read: from which user on, and whether towards the list's beginning, `backwards`."""

    start: str | None
    backwards: bool
    newest_first: bool

    @classmethod
    def of(cls, asked: UsersQuery) -> "Reading":
        # `normal` is newest first too, but its `after` goes towards the newer.
        after, before = asked.after, asked.before
        if asked.order == "normal":
            after, before = before, after
        backwards = after is None and before is not None
        return cls(before if backwards else after, backwards, newest_first=asked.order != "asc")

    @property
    def native_order(self) -> str:
        # A page towards the beginning is read from its end on.
        return "desc" if self.newest_first is not self.backwards else "asc"

    def page(self, found: Mapping[str, Any], order: str) -> dict[str, Any]:
        """Return WorkOS's page of a native one."""
        items = [shapes.user(item) for item in found["items"]]
        if self.backwards:
            items.reverse()
        further = found["next_cursor"] is not None
        has_before, has_after = (
            (further, self.start is not None) if self.backwards else (self.start is not None, further)
        )
        before = items[0]["id"] if items and has_before else None
        after = items[-1]["id"] if items and has_after else None
        return shapes.page(items, after, before) if order == "normal" else shapes.page(items, before, after)


@dataclass(frozen=True, slots=True)
class UserLists:
    """The handler."""

    parts: CompatParts

    async def list(self, call: Call) -> web.Response:
        """List users, newest first unless asked otherwise; `email` finds one."""
        account = await callers.of_api_key(self.parts.accounts, call)
        asked = validate(UsersQuery, dict(call.request.query))
        if asked.organization_id or asked.organization:
            return json_response(shapes.page([]))
        reading = Reading.of(asked)
        wanted = {
            "operator": "AND",
            "filters": [{"field": "email", "values": [asked.email]}] if asked.email else [],
            "limit": asked.limit,
            "order": reading.native_order,
            **await _start(account, reading.start),
        }
        found = await account.native.issuer("POST", "/v1/users/search", wanted)
        return json_response(reading.page(found, asked.order))


async def _start(account: Account, public_id: str | None) -> dict[str, Any]:
    return {} if public_id is None else {"after": (await find_user(account, public_id))["id"]}
