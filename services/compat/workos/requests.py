"""What WorkOS's SDKs send, as models: wrong types are refused, members that mean nothing here are ignored (VENDORS §2)."""

import hashlib
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field

from services.compat.headers import AGENT_CHARS
from shared.errors import Malformed
from shared.http.routes import Call, parse_json, read_body, validate
from shared.links import Email, Locale

Model = TypeVar("Model", bound=BaseModel)

_FORM = "application/x-www-form-urlencoded"
_FORM_FIELDS = 50

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Name = Annotated[str, Field(max_length=256)]
Metadata = dict[
    Annotated[str, Field(min_length=1, max_length=40)], Annotated[str, Field(max_length=600)] | None
]


class Asked(BaseModel):
    """Base of the bodies."""

    model_config = ConfigDict(extra="ignore", strict=True)


class AskedSession(Asked):
    """`POST /passwordless/sessions`."""

    email: Email
    type: Literal["MagicLink"]
    redirect_uri: Text | None = None
    state: str | None = None
    expires_in: Annotated[int, Field(ge=900, le=86_400)] = 900
    """Seconds."""


class AskedToken(Asked):
    """`POST /sso/token` (RFC 6749 §4.1.3). The client's secret is its API key."""

    grant_type: Text
    client_id: Text
    client_secret: Text
    code: Text | None = None
    code_verifier: Text | None = None


class AskedForSomebody(Asked):
    """What the product may say of whoever asks: their address and browser, as it saw them."""

    ip_address: Text | None = None
    user_agent: str | None = None

    @property
    def client(self) -> dict[str, str] | None:
        """The same in the native form."""
        client = {"ip": self.ip_address, "user_agent": self.user_agent and self.user_agent[:AGENT_CHARS]}
        return {name: value for name, value in client.items() if value} or None


class AskedMagicAuth(AskedForSomebody):
    """`POST /user_management/magic_auth`."""

    email: Email
    locale: Locale | None = None


class AskedAuthentication(AskedForSomebody):
    """`POST /user_management/authenticate`: which other members it has, its grant type says."""

    grant_type: Text
    client_id: Text
    client_secret: Text


class AskedByCode(AskedAuthentication):
    """With the code of a Magic Auth."""

    email: Email
    code: Annotated[str, Field(min_length=1, max_length=128)]


class AskedByRefreshToken(AskedAuthentication):
    """With a refresh token."""

    refresh_token: Text


class AskedBySecondFactor(AskedAuthentication):
    """With the code of an authenticator app, after `mfa_challenge`."""

    code: Annotated[str, Field(min_length=1, max_length=128)]
    pending_authentication_token: Text


class NewUser(Asked):
    """`POST /user_management/users`."""

    email: Email
    first_name: Name | None = None
    last_name: Name | None = None
    name: Name | None = None
    email_verified: bool | None = None
    external_id: Text | None = None
    metadata: Metadata | None = None
    locale: Annotated[str, Field(max_length=35)] | None = None
    password: None = None
    """Nobody signs in by a password here: to take one and forget it would be a lie."""
    password_hash: None = None


class ChangedUser(NewUser):
    """`PUT /user_management/users/{id}`: members that are absent stay as they are."""

    email: Email | None = None  # type: ignore[assignment]


class AskedRevocation(Asked):
    """`POST /user_management/sessions/revoke`."""

    session_id: Text


async def read_asked(call: Call, model: type[Model]) -> Model:
    """Return the checked body, JSON or a form: Node's SDK sends `/sso/token` as a form. Raises `Malformed` and `Invalid`."""
    return validate(model, await read_object(call))


async def read_object(call: Call) -> Any:
    """Return the body before it is checked: what it must hold may depend on one of its members."""
    call.raw = await read_body(call.request, call.max_body_bytes)
    return _form(call.raw) if call.request.content_type == _FORM else parse_json(call.raw)


def step_key(call: Call, step: str) -> str | None:
    """Return the `Idempotency-Key` of one native call within this request, None where the caller sent none.

    One of the caller's requests may be several native ones: each has its own key, and the same one in each repetition.
    """
    key = call.idempotency_key
    return None if key is None else hashlib.sha256(f"{step}:{key}".encode()).hexdigest()


def _form(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS, errors="strict")
    except ValueError:
        raise Malformed("the body is not a form in UTF-8") from None
    fields = dict(pairs)
    # RFC 6749 §3.2: a parameter must not stand there twice.
    if len(fields) != len(pairs):
        raise Malformed("a parameter stands in the body twice")
    if any("\0" in text for pair in pairs for text in pair):
        raise Malformed("a text holds a NUL character, which cannot be stored")
    return fields
