"""What goes over the wire, as types: link requests going out; links, messages and users coming back (DESIGN §8).

Fields that a newer server adds are ignored, so an older client keeps working.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar


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
    poll_token: str | None = field(default=None, repr=False)
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
    public_id: str | None = None
    email: str | None = None
    phone: str | None = None
    username: str | None = None
    email_verified: bool = False
    phone_verified: bool = False
    status: str = "active"
    status_reason: str | None = None
    suspended_until: datetime | None = None
    expires_at: datetime | None = None
    external_id: str | None = None
    imported_id: str | None = None
    profile: Mapping[str, Any] | None = None
    roles: list[str] = field(default_factory=list)
    metadata: Mapping[str, Any] | None = None
    password_change_required: bool = False
    has_second_factor: bool = False
    login_count: int = 0
    last_login_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundUsers:
    """A page of a search; `total` counts the users of all pages."""

    users: list[User]
    next_cursor: str | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What users sign in to; its id is the audience of their JWTs."""

    id: str
    name: str
    roles: list[str] = field(default_factory=list)
    refresh_tokens: bool = False
    require_verified_registration: bool = False
    active: bool = True
    metadata: Mapping[str, Any] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """That a user may sign in to an application, and as what."""

    id: str
    user_id: str
    application_id: str
    roles: list[str] = field(default_factory=list)
    username: str | None = None
    verified: bool = True
    metadata: Mapping[str, Any] | None = None
    last_login_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """By what people of an e-mail domain sign in."""

    id: str
    type: str
    domain: str
    organization_id: str | None = None
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
    user_created: bool = False


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
class Session:
    """A session. `factors`: how its user showed who they are."""

    id: str
    user_id: str
    application_id: str | None
    factors: Sequence[Mapping[str, Any]]
    client: Mapping[str, Any] | None
    claims: Mapping[str, Any]
    started_at: datetime
    last_accessed_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verification:
    """A link that this attempt consumed, or whose grant it exchanged: the user is who they say."""

    link: Link
    user: User
    state: Any
    metadata: Mapping[str, Any] | None
    jwt: str | None = field(repr=False)
    jwt_expires_at: datetime | None
    session: Session | None = None
    session_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    registration: Registration | None = None


ShapeT = TypeVar(
    "ShapeT", Link, Message, User, ApiKey, Explanation, Application, Registration, Connection, Session
)
# Times whose names do not end in `_at`.
_TIMES = frozenset({"suspended_until"})


def read(shape: type[ShapeT], document: Mapping[str, Any]) -> ShapeT:
    """Makes a shape of a JSON object, with its times as such.

    Raises:
        TypeError: when a field that is always there is missing.
        ValueError: when a time is not RFC 3339.
    """
    known = {a_field.name for a_field in fields(shape)}
    return shape(**{name: _value(name, value) for name, value in document.items() if name in known})


def read_issued(answer: Mapping[str, Any]) -> IssuedLink:
    message = answer.get("message")
    told = read(Message, message) if message else None
    return IssuedLink(read(Link, answer["link"]), told, answer.get("user_created", False))


def read_verification(answer: Mapping[str, Any]) -> Verification:
    return Verification(
        link=read(Link, answer["link"]),
        user=read(User, answer["user"]),
        state=answer.get("state"),
        metadata=answer.get("metadata"),
        jwt=answer.get("jwt"),
        jwt_expires_at=_value("jwt_expires_at", answer.get("jwt_expires_at")),
        session=read(Session, answer["session"]) if answer.get("session") else None,
        session_token=answer.get("session_token"),
        refresh_token=answer.get("refresh_token"),
        registration=read(Registration, answer["registration"]) if answer.get("registration") else None,
    )


def _value(name: str, value: Any) -> Any:
    is_time = name.endswith("_at") or name in _TIMES
    return datetime.fromisoformat(value) if is_time and value is not None else value
