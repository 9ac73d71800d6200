"""The request for a link and what is told of a link: one shape for HTTP, batches and Kafka (DESIGN §8)."""

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
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from shared.database import Row
from shared.recipients import RecipientInvalid, normalize_email, normalize_phone

Channel = Literal["none", "email", "sms", "whatsapp"]
LinkType = Literal["login", "verify_identifier", "invite"]
Lane = Literal["interactive", "bulk"]
Binding = Literal["none", "prefer", "require"]

STATE_MAX_BYTES = 4096
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


def _small(value: Any) -> Any:
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
    if size > STATE_MAX_BYTES:
        raise PydanticCustomError(
            "too_large",
            "has {size} bytes as compact JSON, at most {most} are kept",
            {"size": size, "most": STATE_MAX_BYTES},
        )
    return value


def _holds_huge_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_huge_number, value.values()))
    if isinstance(value, list):
        return any(map(_holds_huge_number, value))
    return isinstance(value, float) and abs(value) >= 2**63


Email = Annotated[str, Field(max_length=320), AfterValidator(_email)]
Phone = Annotated[str, Field(max_length=32), AfterValidator(_phone)]
SmallJson = Annotated[Any, AfterValidator(_small)]
SmallObject = Annotated[dict[str, Any], AfterValidator(_small)]
Locale = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_time_zone)]


class AskerInfo(BaseModel):
    """Who asked for the link, as the product saw it: for limits and for the page, never for a decision."""

    model_config = ConfigDict(extra="forbid")

    ip: IPvAnyAddress | None = None
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
    send_at: AwareDatetime | None = None
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
    """PKCE (RFC 7636, S256): the exchange then needs the verifier."""

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        # Around the fields and not after them: what is wrong with the whole is told together with what is wrong with each.
        found = _faults_of_whole(value) if isinstance(value, dict) else []
        try:
            request = check(value)
        except ValidationError as error:
            found = [_kept(problem) for problem in error.errors(include_url=False)] + found
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return request


def _faults_of_whole(value: dict[str, Any]) -> list[InitErrorDetails]:
    given = [name for name in ("user_id", "email", "phone") if value.get(name) is not None]
    faults = []
    if len(given) != 1:
        words = "give exactly one of user_id, email, phone (given: {given})"
        faults.append(PydanticCustomError("one_recipient", words, {"given": ", ".join(given) or "none"}))
    if value.get("send_at") is not None and value.get("channel", "none") == "none":
        faults.append(PydanticCustomError("send_at_needs_channel", "send_at needs a channel to send by"))
    return [InitErrorDetails(type=fault, loc=(), input=None) for fault in faults]


def _kept(problem: ErrorDetails) -> InitErrorDetails:
    """Return a finding as it can be raised again, with its own rule and words."""
    context = {**problem.get("ctx", {}), "words": problem["msg"]}
    again = PydanticCustomError(problem["type"], "{words}", context)
    return InitErrorDetails(type=again, loc=problem["loc"], input=problem["input"])


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


def link_url(public_url: str, landing_url: str | None, token: str) -> str:
    """Return the URL of a link: the verifier's page, or the app's own landing page with `?token=`."""
    if landing_url is None:
        return f"{public_url}/l/{token}"
    separator = "&" if "?" in landing_url else "?"
    return f"{landing_url}{separator}token={token}"
