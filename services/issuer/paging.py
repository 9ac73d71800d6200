"""Lists in pages: ordered by id, so that a page costs the same however far one has read."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared.database import Row

_BEGINNING = UUID(int=0)


def _known_cursor(text: str) -> str:
    try:
        read_cursor(text)
    except (ValueError, binascii.Error):
        raise PydanticCustomError("cursor_unknown", "is not the next_cursor of an earlier page") from None
    return text


Cursor = Annotated[str, AfterValidator(_known_cursor)]


class PageQuery(BaseModel):
    """The query of a list: how many items, and after which."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Cursor | None = None

    @property
    def after(self) -> UUID:
        return read_cursor(self.cursor) if self.cursor is not None else _BEGINNING


def make_cursor(last: UUID) -> str:
    """Return the cursor behind an item. Opaque to clients: what stands in it may change."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def read_cursor(text: str) -> UUID:
    """Return the id in a cursor. Raises `ValueError`."""
    after = UUID(bytes=base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    if make_cursor(after) != text:
        raise ValueError("not a cursor")
    return after


def page(rows: Sequence[Row], limit: int, view: Callable[[Row], Mapping[str, Any]]) -> dict[str, Any]:
    """Return a page of rows of which one more than `limit` was asked for, to know whether there is a next page."""
    items = rows[:limit]
    more = len(rows) > limit
    return {
        "items": [view(row) for row in items],
        "next_cursor": make_cursor(items[-1]["id"]) if more else None,
    }
