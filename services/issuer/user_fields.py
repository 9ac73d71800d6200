"""What a caller may say of a user: the bodies and the query of `/v1/users`."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.issuer.app_identity import one_line
from services.issuer.paging import PageQuery
from shared.database import Row
from shared.http.shapes import UserStatus
from shared.links import Email, MiddlingObject, Moment, Phone


def _not_nil(value: UUID) -> UUID:
    # Lists begin after it.
    if value.int == 0:
        raise PydanticCustomError("id_nil", "must not be the nil UUID")
    return value


ChosenId = Annotated[UUID, AfterValidator(_not_nil)]
Username = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
ForeignId = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
# It is the `sub` of JWTs (RFC 7519 §4.1.2; OpenID Connect: ASCII), and stands in paths.
ImportedId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~|:@+=-]{1,200}$")]
Role = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(one_line)]
Roles = Annotated[list[Role], Field(max_length=100)]
Flag = Annotated[bool, Field(strict=True)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]

SETTABLE: Final = (
    "email", "phone", "username", "email_verified", "phone_verified", "status", "status_reason", "suspended_until",
    "expires_at", "external_id", "profile", "roles", "metadata", "password_change_required",
)  # fmt: skip
"""The columns that a caller may set at any time, in the order of the statements."""
_OBJECTS: Final = frozenset({"profile", "metadata"})


class UserFields(BaseModel):
    """What may be said when a user is made and afterwards."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = None
    phone: Phone | None = None
    username: Username | None = None
    email_verified: Flag = False
    phone_verified: Flag = False
    status: UserStatus = "active"
    status_reason: Reason | None = None
    suspended_until: Moment | None = None
    expires_at: Moment | None = None
    external_id: ForeignId | None = None
    password_change_required: Flag = False


class UserCreate(UserFields):
    """The body of `POST /v1/users`. `id` and `imported_id` are for users who come from another system."""

    id: ChosenId | None = None
    imported_id: ImportedId | None = None
    profile: MiddlingObject = Field(default_factory=dict)
    roles: Roles = Field(default_factory=list)
    metadata: MiddlingObject = Field(default_factory=dict)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.email is None and self.phone is None and self.username is None:
            raise PydanticCustomError("address_missing", "give one or more of email, phone, username")
        return self


class UserPatch(UserFields):
    """The body of `PATCH /v1/users/{id}`: what is absent stays, null clears."""

    profile: MiddlingObject | None = None
    roles: Roles | None = None
    metadata: MiddlingObject | None = None


class UserQuery(PageQuery):
    """The query of `GET /v1/users`: a page of all, or the one user who is all that is given."""

    email: Email | None = None
    phone: Phone | None = None
    external_id: ForeignId | None = None
    imported_id: ImportedId | None = None
    username: Username | None = None

    @field_validator("phone", mode="before")
    @classmethod
    def _plus(cls, value: Any) -> Any:
        # `?phone=+49…`: in a query an unescaped plus is a space (WHATWG URL, form encoding).
        return value.replace(" ", "+", 1) if isinstance(value, str) and value.startswith(" ") else value

    @property
    def named(self) -> dict[str, str]:
        """What names one user, by its column."""
        names = ("email", "phone", "external_id", "imported_id", "username")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def columns_of(values: Mapping[str, Any]) -> list[Any]:
    """Return the parameters of a statement that writes `SETTABLE`."""
    return [
        orjson.dumps(values[name] or {}).decode() if name in _OBJECTS else values[name] for name in SETTABLE
    ]


def changed_values(before: Row, patch: UserPatch) -> dict[str, Any]:
    """Return a user's values after a change. What was verified was the old address, not the new one, unless the caller says so."""
    given = patch.model_fields_set
    values = {name: getattr(patch, name) if name in given else before[name] for name in SETTABLE}
    values["roles"] = values["roles"] or []
    for address in ("email", "phone"):
        verified = f"{address}_verified"
        if verified not in given and values[address] != before[address]:
            values[verified] = False
    return values
