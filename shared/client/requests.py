"""What the client is asked for: the fields of requests, as types."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Required, TypedDict

UserStatus = Literal["pending", "active", "inactive", "locked", "suspended"]


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
    create_user: bool
    new_user_status: Literal["active", "pending"]
    verify_address: bool
    url_template: str
    grant_ttl_seconds: int


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
    """Whose passcode it is: one of `link_id`, `user_id`, `email`, `phone`; none where the app's passcodes stand alone.

    And what else to ask for, as `verify_link` does.
    """

    link_id: str
    user_id: str
    email: str
    phone: str
    channel: Literal["email", "sms", "whatsapp", "phone"]
    session: Mapping[str, Any]
    application_id: str
    jwt_claims: Mapping[str, Any]
    code_verifier: str
    trust_token: str
    client: Mapping[str, Any]
    match_client: Mapping[str, bool]


class UserFields(TypedDict, total=False):
    """What a caller may say about a user."""

    email: str | None
    phone: str | None
    username: str | None
    email_verified: bool
    phone_verified: bool
    status: UserStatus
    status_reason: str | None
    suspended_until: datetime | None
    expires_at: datetime | None
    external_id: str | None
    profile: Mapping[str, Any]
    roles: list[str]
    metadata: Mapping[str, Any]
    password_change_required: bool


class NewUser(UserFields, total=False):
    """A user to be made; the two ids are for one who comes from another system."""

    id: str
    imported_id: str
