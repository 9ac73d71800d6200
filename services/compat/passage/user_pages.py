"""Pages of users by number, over the native search, which goes on by cursor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from services.compat.accounts import Account
from services.compat.passage.errors import invalid_request
from services.compat.passage.shapes import page_of_users
from shared.clock import Clock, wall
from shared.http.routes import validate
from shared.public_ids import parse_id
from shared.recipients import RecipientInvalid, normalize_email, normalize_phone

_MOST_A_PAGE: Final = 500
_MOST_A_SEARCH: Final = 1000
_DEEPEST: Final = 10_000
# Native ids are in the order of time, so both columns mean the same.
_ORDERS: Final = {
    f"{column}:{order}": order.lower() for column in ("created_at", "id") for order in ("ASC", "DESC")
}
_LIKE: Final = "<like:"
_STATUSES: Final = {
    "active": ["active"],
    "pending": ["pending"],
    "inactive": ["inactive", "locked", "suspended"],
}


class PageQuery(BaseModel):
    """The query of a page of users. Further filters of the vendor are refused: to leave one out would show other users."""

    page: Annotated[int, Field(ge=1)] = 1
    limit: Annotated[int, Field(ge=1, le=_MOST_A_PAGE)] = 10
    created_before: Annotated[int, Field(ge=0, le=2**40)] | None = None
    order_by: str = "created_at:DESC"
    identifier: str | None = None
    id: str | None = None
    status: str | None = None


_UNSERVED: Final = ("login_count", "created_at", "updated_at", "last_login_at")


@dataclass(frozen=True, slots=True)
class UserPages:
    """Pages of the users of one account."""

    account: Account
    clock: Clock = wall

    async def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page. Raises the vendor's `invalid_request` for what cannot be asked here."""
        asked = validate(PageQuery, {name: value for name, value in query.items() if value})
        unserved = [name for name in _UNSERVED if query.get(name)]
        order = _ORDERS.get(asked.order_by)
        if unserved or order is None:
            raise invalid_request(f"{(unserved or ['order_by'])[0]}: users cannot be chosen by this here")
        if asked.page * asked.limit > _DEEPEST:
            raise invalid_request(f"page: at most the first {_DEEPEST} users can be paged through")
        before = asked.created_before if asked.created_before is not None else int(self.clock()) + 1
        filters = _filters(self.account, asked, before)
        found = None if filters is None else await self._search(filters, order, asked.page * asked.limit)
        users, total = found or ([], 0)
        kept = {name: query[name] for name in ("order_by", "identifier", "id", "status") if query.get(name)}
        told = {**kept, "page": asked.page, "limit": asked.limit, "created_before": before}
        return page_of_users(self.account.app, users[(asked.page - 1) * asked.limit :], total, told)

    async def _search(
        self, filters: list[dict[str, Any]], order: str, wanted: int
    ) -> tuple[list[dict[str, Any]], int]:
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            limit = min(_MOST_A_SEARCH, wanted - len(items))
            body = {"operator": "AND", "filters": filters, "limit": limit, "order": order, "cursor": cursor}
            found = await self.account.native.issuer("POST", "/v1/users/search", body)
            items += found["items"]
            cursor = found["next_cursor"]
            if cursor is None or len(items) >= wanted:
                return items[:wanted], found["total"]


def _filters(account: Account, asked: PageQuery, before: int) -> list[dict[str, Any]] | None:
    """Return the native filters; None: they can match nobody."""
    filters: list[dict[str, Any]] = [
        {"field": "created_before", "values": [datetime.fromtimestamp(before, UTC).isoformat()]}
    ]
    if asked.identifier:
        by_identifier = _identifier_filter(asked.identifier)
        if by_identifier is None:
            return None
        filters.append(by_identifier)
    if asked.status:
        if asked.status not in _STATUSES:
            raise invalid_request("status: must be one of active, inactive, pending")
        filters.append({"field": "status", "values": _STATUSES[asked.status]})
    if asked.id:
        user_id = parse_id(account.app.settings["user_id_format"], asked.id)
        by_own = {"field": "id", "values": [str(user_id)]}
        filters.append(by_own if user_id else {"field": "imported_id", "values": [asked.id]})
    return filters


def _identifier_filter(identifier: str) -> dict[str, Any] | None:
    """Return the native filter; None: no user has such an identifier."""
    if identifier.startswith(_LIKE) and identifier.endswith(">"):
        text = identifier.removeprefix(_LIKE).removesuffix(">")
        return {"field": "phone_like" if text.lstrip("+").isdecimal() else "email_like", "values": [text]}
    try:
        if "@" in identifier:
            return {"field": "email", "values": [normalize_email(identifier)]}
        return {"field": "phone", "values": [normalize_phone(identifier)]}
    except RecipientInvalid:
        return None
