"""What FusionAuth's requests say, checked: unknown members are ignored, as FusionAuth does, wrong types are not."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Flag = Annotated[bool, Field(strict=True)]


class Body(BaseModel):
    """A request's body; its members are written in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", populate_by_name=True)


class Start(Body):
    """`POST /api/passwordless/start`."""

    application_id: UUID
    login_id: Text
    login_id_types: list[Literal["email", "phoneNumber", "username"]] | None = None
    login_strategy: Literal["ClickableLink", "FormField"] = "ClickableLink"
    state: dict[str, Any] | None = None


class Send(Body):
    """`POST /api/passwordless/send`: a code, or (the older use) whom to send one to."""

    code: Text | None = None
    application_id: UUID | None = None
    login_id: Text | None = None
    state: dict[str, Any] | None = None


class Device(Body):
    """What a product says of the device that signs in."""

    name: str | None = None
    type: str | None = None
    description: str | None = None


class MetaData(Body):
    """What a product says of the refresh token that is asked for."""

    device: Device | None = None


class Proof(Body):
    """What the requests that complete a login have in common."""

    application_id: UUID | None = None
    ip_address: str | None = None
    meta_data: MetaData | None = None
    no_jwt: Annotated[bool, Field(strict=True, alias="noJWT")] = False


class Login(Proof):
    """`POST /api/passwordless/login`."""

    code: Text
    one_time_code: Text | None = None
    two_factor_trust_id: str | None = None


class TwoFactorLogin(Proof):
    """`POST /api/two-factor/login`."""

    code: Text
    two_factor_id: Text
    trust_computer: Flag = False


class TwoFactorStart(Body):
    """`POST /api/two-factor/start`."""

    application_id: UUID | None = None
    user_id: str | None = None
    login_id: str | None = None


class TwoFactorSend(Body):
    """`POST /api/two-factor/send/{twoFactorId}`."""

    method_id: Text


class TwoFactorEnable(Body):
    """`POST /api/user/two-factor/{userId}`."""

    method: Text = "authenticator"
    code: Text
    secret: str | None = None
    secret_base32_encoded: Annotated[str | None, Field(alias="secretBase32Encoded")] = None


class TwoFactorDisable(Body):
    """`DELETE /api/user/two-factor/{userId}`."""

    method_id: Text
    code: Text


class Refresh(Body):
    """`POST /api/jwt/refresh`."""

    refresh_token: str | None = None
    token: str | None = None
    time_to_live_in_seconds: int | None = None


class Revoke(Body):
    """`DELETE /api/jwt/refresh`."""

    token: str | None = None
    user_id: str | None = None
    application_id: UUID | None = None


class Logout(Body):
    """`POST /api/logout`."""

    everywhere: Annotated[bool, Field(alias="global")] = False
    refresh_token: str | None = None


class Whole(Body):
    """Members that are objects of their own; which of them were given decides what is changed."""

    skip_verification: Flag = False
    skip_registration_verification: Flag = False
    hard_delete: Flag = False
    user: dict[str, Any] | None = None
    registration: dict[str, Any] | None = None
    application: dict[str, Any] | None = None
    tenant: dict[str, Any] | None = None
    action: dict[str, Any] | None = None
    search: dict[str, Any] | None = None


class User(Body):
    """A user as FusionAuth writes one. `password` is not read: nobody signs in with one here."""

    id: UUID | None = None
    active: Flag | None = None
    email: str | None = None
    username: str | None = None
    phone_number: str | None = None
    mobile_phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    full_name: str | None = None
    image_url: str | None = None
    birth_date: str | None = None
    timezone: str | None = None
    preferred_languages: list[str] | None = None
    expiry: int | None = None
    password_change_required: Flag | None = None
    data: dict[str, Any] | None = None


class Registration(Body):
    """A registration as FusionAuth writes one."""

    application_id: UUID
    id: UUID | None = None
    roles: list[str] | None = None
    username: str | None = None
    verified: Flag | None = None
    data: dict[str, Any] | None = None


class Role(Body):
    """A role of an application."""

    name: Text


class LoginConfiguration(Body):
    """How an application's users sign in."""

    generate_refresh_tokens: Flag | None = None


class Application(Body):
    """An application as FusionAuth writes one."""

    name: str | None = None
    active: Flag | None = None
    roles: list[Role] | None = None
    login_configuration: LoginConfiguration | None = None
    verify_registration: Flag | None = None
    data: dict[str, Any] | None = None


class Action(Body):
    """An action that keeps a user from signing in."""

    actionee_user_id: Text
    comment: str | None = None
    expiry: int | None = None


class Generator(Body):
    """How codes are made."""

    type: Literal["randomAlpha", "randomAlphaNumeric", "randomBytes", "randomDigits"] | None = None
    length: int | None = None


class ExternalIdentifiers(Body):
    """How codes are made, and how long they live."""

    passwordless_login_generator: Generator | None = None
    passwordless_login_time_to_live_in_seconds: int | None = None


class JwtConfiguration(Body):
    """How JWTs and refresh tokens are made."""

    time_to_live_in_seconds: int | None = None
    refresh_token_time_to_live_in_minutes: int | None = None
    refresh_token_usage_policy: Literal["Reusable", "OneTimeUse"] | None = None


class Tenant(Body):
    """A tenant as FusionAuth writes one, as far as it means something here."""

    name: str | None = None
    external_identifier_configuration: ExternalIdentifiers | None = None
    jwt_configuration: JwtConfiguration | None = None


class Search(Body):
    """What users are searched by."""

    ids: list[str] | None = None
    query_string: str | None = None
    number_of_results: Annotated[int, Field(ge=1, le=1000)] = 25
    next_results: str | None = None


def given(model: BaseModel) -> Mapping[str, Any]:
    """Return what the request said, and nothing of what it left out."""
    return {name: getattr(model, name) for name in model.model_fields_set}
