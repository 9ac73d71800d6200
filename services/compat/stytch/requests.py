"""What Stytch's calls send (VENDORS §1.5). Unknown members are ignored, wrong types refused; bounds are Stytch's own."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.compat.headers import AGENT_CHARS

Minutes = Annotated[int, Field(ge=5, le=10080)]
"""How long a magic link lives: Stytch's bounds, 5 minutes to a week."""
OtpMinutes = Annotated[int, Field(ge=1, le=10)]
SessionMinutes = Annotated[int, Field(ge=5, le=527_040)]
Text = Annotated[str, Field(min_length=1)]
Object = dict[str, Any]


class Asked(BaseModel):
    """A request's body."""

    model_config = ConfigDict(strict=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: member for name, member in value.items() if member is not None}
        return value


class Attributes(Asked):
    """The asker's address and browser, as the product saw them."""

    ip_address: str | None = None
    user_agent: str | None = None

    def client(self) -> dict[str, str]:
        """Return them as the native API's `client`; empty texts say nothing, and the end of an endless browser's name is left out."""
        given = {"ip": self.ip_address, "user_agent": self.user_agent and self.user_agent[:AGENT_CHARS]}
        return {name: value for name, value in given.items() if value}


class Name(Asked):
    """A user's name."""

    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None


class WithAttributes(Asked):
    """A body that may say who asks."""

    attributes: Attributes | None = None

    def client(self) -> dict[str, str] | None:
        """Return the native `client`, None when nothing is known."""
        return (self.attributes.client() if self.attributes else {}) or None


class UserCreate(WithAttributes):
    email: str | None = None
    phone_number: str | None = None
    name: Name | None = None
    create_user_as_pending: bool | None = None
    trusted_metadata: Object | None = None
    untrusted_metadata: Object | None = None
    external_id: str | None = None
    roles: list[str] | None = None


class UserUpdate(Asked):
    name: Name | None = None
    trusted_metadata: Object | None = None
    untrusted_metadata: Object | None = None
    external_id: str | None = None
    roles: list[str] | None = None


class FactorExchange(Asked):
    email_address: str | None = None
    phone_number: str | None = None


class Operand(Asked):
    filter_name: str
    filter_value: Any


class Query(Asked):
    operator: Literal["AND", "OR"] = "AND"
    operands: list[Operand] = Field(default_factory=list, max_length=50)


class UserSearch(Asked):
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] | None = None
    query: Query | None = None


class LinkCreate(WithAttributes):
    user_id: Text
    expiration_minutes: Minutes = 60


class Options(Asked):
    """What must be as it was when the link was asked for."""

    ip_match_required: bool | None = None
    user_agent_match_required: bool | None = None


class SessionOptions(WithAttributes):
    """The session that an authentication opens or goes on with. Two session arguments are refused where they are used."""

    options: Options | None = None
    session_token: str | None = None
    session_jwt: str | None = None
    session_duration_minutes: SessionMinutes | None = None
    session_custom_claims: Object | None = None


class LinkAuthenticate(SessionOptions):
    token: Text
    code_verifier: str | None = None


class OtpAuthenticate(SessionOptions):
    method_id: Text
    code: Text


class Subject(WithAttributes):
    """A user to whom an address or number shall belong, where the call names one."""

    user_id: str | None = None
    session_token: str | None = None
    session_jwt: str | None = None
    locale: str | None = None


class EmailLogin(Subject):
    email: Text
    login_magic_link_url: str | None = None
    signup_magic_link_url: str | None = None
    login_expiration_minutes: Minutes = 60
    signup_expiration_minutes: Minutes = 10080
    login_template_id: str | None = None
    signup_template_id: str | None = None
    code_challenge: str | None = None
    create_user_as_pending: bool | None = None


class Invite(WithAttributes):
    email: Text
    invite_magic_link_url: str | None = None
    invite_expiration_minutes: Minutes = 60
    invite_template_id: str | None = None
    name: Name | None = None
    locale: str | None = None
    trusted_metadata: Object | None = None
    untrusted_metadata: Object | None = None


class RevokeInvite(Asked):
    email: Text


class PhoneOtp(Subject):
    phone_number: Text
    expiration_minutes: OtpMinutes = 2
    create_user_as_pending: bool | None = None


class EmailOtp(Subject):
    email: Text
    expiration_minutes: OtpMinutes = 2
    login_template_id: str | None = None
    signup_template_id: str | None = None
    create_user_as_pending: bool | None = None


class SessionAuthenticate(Asked):
    session_token: str | None = None
    session_jwt: str | None = None
    session_duration_minutes: SessionMinutes | None = None
    session_custom_claims: Object | None = None
    authorization_check: Object | None = None


class SessionRevoke(Asked):
    session_id: str | None = None
    session_token: str | None = None
    session_jwt: str | None = None
