"""Searching an app's users by filters. A filter is met by any of its values; the operator joins the filters."""

from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.issuer.paging import Cursor, make_cursor, read_cursor
from services.issuer.tenancy import DIRECTORY_SQL as SQL
from services.issuer.tenancy import Reader
from services.issuer.users import told
from shared.http.shapes import UserStatus
from shared.links import Email, Moment, Phone

Text = Annotated[str, Field(min_length=1, max_length=200)]
Filterable = Literal[
    "id", "email", "phone", "external_id", "imported_id", "username", "status", "email_verified", "phone_verified",
    "created_after", "created_before", "email_like", "phone_like",
]  # fmt: skip


def _part(value: str) -> str:
    """Return the pattern of texts that contain this one; what LIKE reads as a wildcard stands for itself."""
    escaped = value.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


_Part = Annotated[Text, AfterValidator(_part)]
# In the order of the statement's parameters.
_VALUES: Final[dict[str, TypeAdapter[Any]]] = {
    "id": TypeAdapter(UUID),
    "email": TypeAdapter(Email),
    "phone": TypeAdapter(Phone),
    "external_id": TypeAdapter(Text),
    "imported_id": TypeAdapter(Text),
    "username": TypeAdapter(Text),
    "status": TypeAdapter(UserStatus),
    "email_verified": TypeAdapter(Annotated[bool, Field(strict=True)]),
    "phone_verified": TypeAdapter(Annotated[bool, Field(strict=True)]),
    "created_after": TypeAdapter(Moment),
    "created_before": TypeAdapter(Moment),
    "email_like": TypeAdapter(_Part),
    "phone_like": TypeAdapter(_Part),
}


class UserFilter(BaseModel):
    """One filter: a field, and the values of which a user has any. `…_like`: the address contains the value."""

    model_config = ConfigDict(extra="forbid")

    field: Filterable
    values: Annotated[list[Text | bool], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for index, value in enumerate(self.values):
            try:
                _VALUES[self.field].validate_python(value)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                words = "value {index} does not fit {field}: {reason}"
                context = {"index": index, "field": self.field, "reason": reason}
                raise PydanticCustomError("filter_value", words, context) from None
        return self

    @property
    def read(self) -> list[Any]:
        """The values as the statement compares them."""
        return [_VALUES[self.field].validate_python(value) for value in self.values]


class UserSearch(BaseModel):
    """The body of `POST /v1/users/search`: users who meet every filter (`AND`) or any (`OR`), in the order in which they were made."""

    model_config = ConfigDict(extra="forbid")

    operator: Literal["AND", "OR"] = "AND"
    filters: Annotated[list[UserFilter], Field(max_length=len(_VALUES))] = Field(default_factory=list)
    limit: Annotated[int, Field(strict=True, ge=1, le=1000)] = 100
    cursor: Cursor | None = None
    after: UUID | None = None
    """Behind which user the page begins, who may be gone since; an alternative to `cursor`."""
    order: Literal["asc", "desc"] = "asc"

    @field_validator("after")
    @classmethod
    def _one_beginning(cls, value: UUID | None, info: ValidationInfo) -> UUID | None:
        if value is not None and info.data.get("cursor") is not None:
            raise PydanticCustomError("one_beginning", "give cursor or after, not both")
        return value

    @field_validator("filters")
    @classmethod
    def _each_once(cls, value: list[UserFilter]) -> list[UserFilter]:
        fields = [found.field for found in value]
        twice = sorted({field for field in fields if fields.count(field) > 1})
        if twice:
            raise PydanticCustomError(
                "filter_twice", "give the values of {names} in one filter", {"names": ", ".join(twice)}
            )
        return value


async def search_users(reader: Reader, app_id: UUID, wanted: UserSearch) -> dict[str, Any]:
    """Return a page of the users who are searched for, and how many there are on all pages."""
    given: dict[str, list[Any]] = {found.field: found.read for found in wanted.filters}
    # Without filters every user meets all of them, and under OR none would meet any.
    operator = wanted.operator if given else "AND"
    filters = [given.get(name) for name in _VALUES]
    after = wanted.after if wanted.cursor is None else read_cursor(wanted.cursor)
    rows = await reader.fetch(
        SQL.search_users, app_id, operator, *filters, wanted.limit + 1, after, wanted.order == "desc"
    )
    users = [row for row in rows if row["id"] is not None]
    more = len(users) > wanted.limit
    items = users[: wanted.limit]
    return {
        "items": [told(row) for row in items],
        "next_cursor": make_cursor(items[-1]["id"]) if more else None,
        "total": rows[0]["total"],
    }
