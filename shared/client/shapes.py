"""What goes over the wire, as types: link requests going out; links, messages and users coming back (DESIGN §8).

Fields that a newer server adds are ignored, so an older client keeps working.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Required, TypedDict, TypeVar


class LinkRequest(TypedDict, total=False):
    """The body of `POST /v1/links`: exactly one of `user_id`, `email`, `phone`; all else is optional."""

    user_id: str
    email: str
    phone: str
    redirect_url: str
    type: Literal["login", "verify_identifier", "invite"]
    ttl_seconds: int
    channel: Literal["none", "email", "sms", "whatsapp"]
    locale: str
    time_zone: str
    template: str
    template_data: Mapping[str, Any]
    state: Any
    metadata: Mapping[str, Any]
    send_at: datetime
    lane: Literal["interactive", "bulk"]
    passcode: bool
    client: Mapping[str, str]
    binding: Literal["none", "prefer", "require"]
    code_challenge: str
    slot: str


class SendRequest(TypedDict, total=False):
    """How an unsent link is sent; without the others, as it was asked for."""

    channel: Required[Literal["email", "sms", "whatsapp"]]
    locale: str
    time_zone: str
    template: str
    template_data: Mapping[str, Any]
    lane: Literal["interactive", "bulk"]
    passcode: bool


class PasscodeHolder(TypedDict, total=False):
    """Whose passcode it is: exactly one of them."""

    link_id: str
    email: str
    phone: str


class UserFields(TypedDict, total=False):
    """What a caller may say about a user."""

    email: str | None
    phone: str | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link; `url`, `token` and `passcode` are there only in the answer that created it."""

    id: str
    app_id: str
    user_id: str
    type: str
    status: str
    url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    passcode: str | None = field(default=None, repr=False)
    redirect_url: str | None = None
    state: Any = None
    metadata: Mapping[str, Any] | None = None
    channel: str = "none"
    binding: str | None = None
    slot: str | None = None
    passcode_locked: bool | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    created_at: datetime | None = None
    consumed_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a link, by one channel."""

    id: str
    channel: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of one app."""

    id: str
    email: str | None = None
    phone: str | None = None
    metadata: Mapping[str, Any] | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A new API key; `key` is shown this once."""

    id: str
    prefix: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """The answer to a link request; `message` is None when nothing is to be sent."""

    link: Link
    message: Message | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a link request would come to: `problems` as `{"field", "rule", "message"}`; what it would make, as documents."""

    would_issue: bool
    problems: list[dict[str, str]]
    link: Mapping[str, Any]
    user: Mapping[str, bool] | None = None
    message: Mapping[str, Any] | None = None
    limits: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LinkHistory:
    """A link with its messages and its timeline (`{"at", "event", …}`)."""

    link: Link
    messages: list[Message]
    timeline: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Verification:
    """A link that this attempt consumed, or whose grant it exchanged: the user is who they say."""

    link: Link
    user: User
    state: Any
    metadata: Mapping[str, Any] | None
    jwt: str | None = field(repr=False)
    jwt_expires_at: datetime | None


ShapeT = TypeVar("ShapeT", Link, Message, User, ApiKey, Explanation)


def read(shape: type[ShapeT], document: Mapping[str, Any]) -> ShapeT:
    """Makes a shape of a JSON object; the names that end in `_at` are times.

    Raises:
        TypeError: when a field that is always there is missing.
        ValueError: when a time is not RFC 3339.
    """
    known = {a_field.name for a_field in fields(shape)}
    return shape(**{name: _value(name, value) for name, value in document.items() if name in known})


def read_issued(answer: Mapping[str, Any]) -> IssuedLink:
    message = answer.get("message")
    return IssuedLink(read(Link, answer["link"]), read(Message, message) if message else None)


def read_verification(answer: Mapping[str, Any]) -> Verification:
    return Verification(
        link=read(Link, answer["link"]),
        user=read(User, answer["user"]),
        state=answer.get("state"),
        metadata=answer.get("metadata"),
        jwt=answer.get("jwt"),
        jwt_expires_at=_value("jwt_expires_at", answer.get("jwt_expires_at")),
    )


def _value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") and value is not None else value
