"""As whom an app answers: the vendor whose SDK speaks to it, and the names in its JWTs. The operator's alone to say."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shared.links import MiddlingObject
from shared.public_ids import DEFAULT_FORMAT, USER_ID_FORMAT

OPERATORS_OWN: Final = ("vendor", "vendor_id", "jwt_issuer", "jwt_audience")
"""With another app's audience an app could sign in as that app's users; with its vendor's name it would be called in its place."""

Vendor = Literal["stytch", "workos", "passage", "fusionauth"]


def one_line(value: str) -> str:
    """Return a text that is one line. Raises pydantic's error with the rule `text_format`."""
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("text_format", "must be one line of text without spaces around it")
    return value


def _known_format(value: str) -> str:
    if not USER_ID_FORMAT.fullmatch(value):
        kinds = "{uuid}, {ulid}, {base62}"
        words = "must be up to 40 of A-Z, a-z, 0-9, _ and -, then one of {kinds}"
        raise PydanticCustomError("user_id_format", words, {"kinds": kinds})
    return value


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]


class AppIdentity(BaseModel):
    """The part of an app's settings that says what others know it by."""

    model_config = ConfigDict(extra="forbid")

    vendor: Vendor | None = None
    vendor_id: Name | None = Field(None, validate_default=True)
    vendor_settings: MiddlingObject = Field(default_factory=dict)
    jwt_issuer: Name | None = None
    jwt_audience: Annotated[list[Name], Field(max_length=10)] = Field(default_factory=list)
    user_id_format: Annotated[str, Field(max_length=60), AfterValidator(_known_format)] = DEFAULT_FORMAT

    @field_validator("vendor_id")
    @classmethod
    def _pair(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "vendor" in info.data and (info.data["vendor"] is None) != (value is None):
            raise PydanticCustomError("vendor_pair", "stands together with vendor, or neither does")
        return value


class VendorQuery(BaseModel):
    """The query of `GET /v1/apps/by-vendor`. With neither id it names the vendor's only app, where there is one."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    vendor: Vendor
    vendor_id: Name | None = None
    """The app that answers as this project, client, app or tenant."""
    application_id: UUID | None = None
    """The app that this application belongs to."""


def changed_identity(before: Mapping[str, Any], after: BaseModel) -> list[str]:
    """Return which of the operator's settings a change would change."""
    return [name for name in OPERATORS_OWN if before[name] != getattr(after, name)]
