"""The request for a link and what is told of a link: one shape for HTTP, batches and Kafka (DESIGN §8)."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.database import Row
from shared.link_faults import check_whole, faults_of_whole
from shared.link_urls import MAX_TEMPLATE_CHARS, TemplateRefused, check_template
from shared.recipients import RecipientInvalid, normalize_email, normalize_phone

Channel = Literal["none", "email", "sms", "whatsapp"]
LinkType = Literal["login", "verify_identifier", "invite"]
Lane = Literal["interactive", "bulk"]
Binding = Literal["none", "prefer", "require"]
NewUserStatus = Literal["active", "pending"]

STATE_MAX_BYTES = 4096
OBJECT_MAX_BYTES = 16384
MIN_TTL_SECONDS = 30
MAX_TTL_SECONDS = 30 * 86400


def _email(value: str) -> str:
    try:
        return normalize_email(value)
    except RecipientInvalid as invalid:
        raise PydanticCustomError("email_format", "{reason}", {"reason": str(invalid)}) from None


def _phone(value: str) -> str:
    try:
        return normalize_phone(value)
    except RecipientInvalid as invalid:
        raise PydanticCustomError("phone_format", "{reason}", {"reason": str(invalid)}) from None


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "time_zone_unknown", "is not an IANA time zone, such as Europe/Berlin"
        ) from None
    return value


def _url_template(value: str) -> str:
    try:
        check_template(value)
    except TemplateRefused as refused:
        raise PydanticCustomError(refused.rule, "{reason}", {"reason": str(refused)}) from None
    return value


def _small(value: Any) -> Any:
    return _storable(value, STATE_MAX_BYTES)


def _middling(value: Any) -> Any:
    return _storable(value, OBJECT_MAX_BYTES)


def _storable(value: Any, most_bytes: int) -> Any:
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        raise PydanticCustomError(
            "not_json", "must be JSON, nested less than 254 deep, its integers within 64 bits"
        ) from None
    # Longer integers were read as floats. Rounded is not unchanged.
    if _holds_huge_number(value):
        raise PydanticCustomError(
            "number_too_large",
            "holds a number past 64 bits, which would come back rounded: send it as a text",
        )
    if size > most_bytes:
        raise PydanticCustomError(
            "too_large",
            "has {size} bytes as compact JSON, at most {most} are kept",
            {"size": size, "most": most_bytes},
        )
    return value


def _holds_huge_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_huge_number, value.values()))
    if isinstance(value, list):
        return any(map(_holds_huge_number, value))
    return isinstance(value, float) and abs(value) >= 2**63


def _moment(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment_range", "must lie in the years 1 to 9999 of UTC") from None


def _one_spelling(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address as IPv4 where it is one: behind a dual-stack socket `192.0.2.7` is seen as `::ffff:192.0.2.7`."""
    return getattr(value, "ipv4_mapped", None) or value


Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
Email = Annotated[str, Field(max_length=320), AfterValidator(_email)]
Phone = Annotated[str, Field(max_length=32), AfterValidator(_phone)]
SmallJson = Annotated[Any, AfterValidator(_small)]
SmallObject = Annotated[dict[str, Any], AfterValidator(_small)]
MiddlingObject = Annotated[dict[str, Any], AfterValidator(_middling)]
Locale = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_time_zone)]


class AskerInfo(BaseModel):
    """Who asked for the link, as the product saw it: for limits and for the page, never for a decision."""

    model_config = ConfigDict(extra="forbid")

    ip: Annotated[IPvAnyAddress, AfterValidator(_one_spelling)] | None = None
    user_agent: Annotated[str, Field(max_length=512)] | None = None


class LinkRequest(BaseModel):
    """What `POST /v1/links` takes, and each item of a batch, and the data of a `magiclink.link.requested.v1` event."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    user_id: UUID | None = None
    """A user of the app; or name one by `email` or `phone`, exactly one of the three."""
    email: Email | None = None
    """The user with this address, made if there is none."""
    phone: Phone | None = None
    """The user with this number (E.164), made if there is none."""
    type: LinkType = "login"
    """What the link is for: it words the message and the page. `verify_identifier` marks the address as verified."""
    redirect_url: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """Where the button leads: a URL on the app's allow-list, or a path under its base URL. Default: the app's."""
    ttl_seconds: Annotated[int, Field(strict=True, ge=MIN_TTL_SECONDS, le=MAX_TTL_SECONDS)] | None = None
    """How long the link lives. Default: the app's."""
    channel: Channel = "none"
    """What the link is sent by. `none`: it is not sent, the product hands it on."""
    locale: Locale | None = None
    """Language of message and pages (BCP 47), such as `pt-BR`. Default: the app's."""
    time_zone: TimeZone | None = None
    """Zone that times are told in (IANA), such as `Europe/Berlin`."""
    template: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] | None = None
    """Another template than that of the type."""
    template_data: SmallObject = Field(default_factory=dict)
    """Values for the template, at most 4 KB as JSON."""
    state: SmallJson = None
    """Any JSON up to 4 KB; comes back unchanged."""
    metadata: SmallObject = Field(default_factory=dict)
    """Any JSON object up to 4 KB; kept with the link."""
    send_at: Moment | None = None
    """When to send. The link is made at once, its life begins then."""
    lane: Lane | None = None
    """`interactive` for somebody who waits, `bulk` for the rest. Default: by the way the request came."""
    passcode: Annotated[bool, Field(strict=True)] = False
    """Put a passcode into the message as well: two doors, one use."""
    client: AskerInfo | None = None
    """Who asked, as the product saw it."""
    binding: Binding = "prefer"
    """`prefer`: the browser that was paired needs no click. `require`: only that browser, or the passcode. `none`: no pairing."""
    slot: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] | None = None
    """Only the newest link of a user, type and slot works."""
    code_challenge: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None
    """PKCE (RFC 7636, S256): redeeming then needs the verifier."""
    create_user: Annotated[bool, Field(strict=True)] = True
    """Make the user of an unknown address. `false`: such a request is refused (`user_unknown`)."""
    new_user_status: NewUserStatus | None = None
    """Status of a user whom this request makes. Default: `pending` for invites, else `active`."""
    verify_address: Annotated[bool, Field(strict=True)] = False
    """Its use marks the address that it was sent to as verified; needs a channel."""
    url_template: (
        Annotated[str, Field(max_length=MAX_TEMPLATE_CHARS), AfterValidator(_url_template)] | None
    ) = None
    """The link's URL in a form of your own, with one `{token}` or `{passcode}`; else our page, or the app's `landing_url`."""
    grant_ttl_seconds: Annotated[int, Field(strict=True, ge=10, le=600)] | None = None
    """How long the `code` of the redirect lives. Default: the app's."""

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        return check_whole(cls.__name__, value, check, faults_of_whole)


class RequestedLink(LinkRequest):
    """The data of a link request on Kafka: the request, the app it is for, and a channel, because nobody reads an answer."""

    app_id: UUID
    """The app, which must allow link requests over Kafka."""
    channel: Literal["email", "sms", "whatsapp"]
    """What the link is sent by."""


def link_view(row: Row) -> dict[str, Any]:
    """Return a link as the API tells it, without its secrets, from a row that has these columns."""
    return {
        "id": row["id"],
        "app_id": row["app_id"],
        "user_id": row["user_id"],
        "type": row["type"],
        "status": row["status"],
        "redirect_url": row["redirect_url"],
        "state": load_state(row["state"]),
        "metadata": row["metadata"],
        "channel": row["channel"],
        "send_at": row["send_at"],
        "expires_at": row["expires_at"],
        "created_at": row["created_at"],
        "consumed_at": row["consumed_at"],
        "revoked_at": row["revoked_at"],
    }


def load_state(text: str | None) -> Any:
    """Return the state as it was given; the column keeps its text."""
    return None if text is None else orjson.loads(text)
