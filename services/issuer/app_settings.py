"""What an app's settings may be: every column of the table, checked whole, each rule with its name."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.headerregistry import Address
from typing import Annotated, Any, Literal, LiteralString

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from services.issuer.app_identity import AppIdentity
from shared.http.routes import validate
from shared.links import MAX_TTL_SECONDS, MIN_TTL_SECONDS, LinkType, Locale
from shared.recipients import RecipientInvalid, normalize_email
from shared.redirects import RedirectPolicy, RedirectRefused, check_entry, check_url

_MAILBOX = re.compile(r'(?:"(?P<quoted>[^"<>\\]+)"|(?P<name>[^"<>,;:@\\]*?))\s*<(?P<address>[^<>\s]+)>')

AppName = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=2048)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Seconds = Annotated[int, Field(strict=True, ge=MIN_TTL_SECONDS, le=MAX_TTL_SECONDS)]
# Of sessions and trusted devices: five minutes to 366 days.
LongSeconds = Annotated[int, Field(strict=True, ge=300, le=31_622_400)]
Flag = Annotated[bool, Field(strict=True)]


def _sender(value: str) -> str:
    """Return `Name <address>` or the address in one spelling. A line end here would end the mail's header."""
    found = _MAILBOX.fullmatch(value.strip())
    if not value.isprintable():
        raise PydanticCustomError("sender_format", "must not hold control characters")
    try:
        address = normalize_email(found["address"] if found else value.strip())
    except RecipientInvalid:
        raise PydanticCustomError(
            "sender_format",
            "must be an e-mail address, or `Name <address>`, the name quoted if it has commas",
        ) from None
    name = (found["quoted"] or found["name"] or "").strip() if found else ""
    return str(Address(name, addr_spec=address)) if name and address.isascii() else _plain(name, address)


def _plain(name: str, address: str) -> str:
    return f'"{name}" <{address}>' if name else address


class Branding(BaseModel):
    """How messages and pages name the product."""

    model_config = ConfigDict(extra="forbid")

    product_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    support_url: Text | None = None
    # In e-mails only: a page with a link's token in its URL loads nothing from elsewhere.
    logo_url: Text | None = None
    footer: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @field_validator("support_url")
    @classmethod
    def _url(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _checked_url(value, info)

    @field_validator("logo_url")
    @classmethod
    def _https_url(cls, value: str | None) -> str | None:
        # Mail clients load it from wherever the reader is, in dev too: http would show who reads what.
        if value is not None:
            with _rule_named():
                check_url(value, allow_http=False)
        return value

    @field_validator("footer")
    @classmethod
    def _footer(cls, value: str | None) -> str | None:
        return None if value is None else _one_line(value, "footer_format")


class AppCreate(AppIdentity):
    """An app's settings, with their defaults. Make one with `app_settings`, which knows whether http is allowed."""

    model_config = ConfigDict(extra="forbid")

    name: AppName
    redirects_exact: Flag = False
    base_url: Text | None = None
    redirect_urls: Annotated[list[Text], Field(max_length=200)] = Field(default_factory=list)
    default_redirect_url: Text | None = None
    landing_url: Text | None = None
    max_ttl_seconds: Seconds = 86400
    ttl_seconds: Seconds = Field(900, validate_default=True)
    grant_ttl_seconds: Annotated[int, Field(strict=True, ge=10, le=600)] = 60
    passcode_strategy: Literal["digits", "letters", "alphanumeric", "bytes"] = "digits"
    passcode_length: Annotated[int, Field(strict=True, ge=6, le=32)] = 6
    jwt_algorithm: Literal["EdDSA", "ES256", "RS256"] = "EdDSA"
    locale: Locale = "en"
    sender: Annotated[str, Field(max_length=420), AfterValidator(_sender)] | None = None
    branding: Branding = Field(default_factory=Branding)
    intake: Flag = False
    interactive_per_minute: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 600
    latest_only: list[LinkType] = Field(default_factory=list)
    ttl_from: Literal["issue", "acceptance"] = "issue"
    acceptance_cap_seconds: Seconds = Field(86400, validate_default=True)
    texts_per_hour: Count = 1000
    texts_per_recipient_per_hour: Count = 10
    passcode_tries_per_day: Count = 30
    passcode_standalone: Flag = False
    require_verified: Flag = False
    session_seconds: LongSeconds = 2_592_000
    trust_seconds: LongSeconds = 2_592_000

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        # It goes into subjects and titles.
        return _one_line(value, "name_format")

    @field_validator("base_url")
    @classmethod
    def _base(cls, value: str | None, info: ValidationInfo) -> str | None:
        checked = _checked_url(value, info)
        if checked is not None and "?" in checked:
            raise PydanticCustomError("base_url_query", "must not have a query: paths are put behind it")
        return checked

    @field_validator("landing_url")
    @classmethod
    def _landing(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _checked_url(value, info)

    @field_validator("redirect_urls")
    @classmethod
    def _entries(cls, value: list[str], info: ValidationInfo) -> list[str]:
        return checked_entries(value, info, exact=bool(info.data.get("redirects_exact")))

    @field_validator("default_redirect_url")
    @classmethod
    def _default_redirect(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A list or base that is wrong itself was reported already.
        if value is not None and {"base_url", "redirect_urls"} <= info.data.keys():
            entries = tuple(info.data["redirect_urls"])
            exact = bool(info.data.get("redirects_exact"))
            policy = RedirectPolicy(
                info.data["base_url"], entries, allow_http=_allows_http(info), exact=exact
            )
            with _rule_named():
                policy.resolve(value)
        return value

    @field_validator("ttl_seconds")
    @classmethod
    def _ttl(cls, value: int, info: ValidationInfo) -> int:
        most = info.data.get("max_ttl_seconds")
        if most is not None and value > most:
            raise PydanticCustomError("ttl_too_long", "is more than max_ttl_seconds, {most}", {"most": most})
        return value

    @field_validator("latest_only")
    @classmethod
    def _each_once(cls, value: list[LinkType]) -> list[LinkType]:
        return sorted(set(value))

    @field_validator("acceptance_cap_seconds")
    @classmethod
    def _cap(cls, value: int, info: ValidationInfo) -> int:
        ttl_seconds = info.data.get("ttl_seconds")
        if info.data.get("ttl_from") == "acceptance" and ttl_seconds is not None and value < ttl_seconds:
            words = "is less than ttl_seconds, {ttl}, which a link shall live after its acceptance"
            raise PydanticCustomError("cap_too_short", words, {"ttl": ttl_seconds})
        return value


def app_settings(values: Any, *, allow_http: bool) -> AppCreate:
    """Return checked settings of a new or changed app. Raises `Invalid` with every field problem.

    `allow_http` is for the dev environment: over http a grant would be readable by everybody on its way.
    """
    return validate(AppCreate, values, context={"allow_http": allow_http})


def changed_settings(current: Mapping[str, Any], changes: Any, *, allow_http: bool) -> AppCreate:
    """Return the settings after a change, checked as a whole: what a change leaves alone must still fit."""
    if not isinstance(changes, dict):
        return app_settings(changes, allow_http=allow_http)
    return app_settings({**current, **changes}, allow_http=allow_http)


def checked_entries(entries: list[str], info: ValidationInfo, *, exact: bool = False) -> list[str]:
    """Return entries of a list of redirects. Raises pydantic's error naming the first bad one and its rule."""
    for index, entry in enumerate(entries):
        with _rule_named(f"entry {index} "):
            check_entry(entry, allow_http=_allows_http(info), exact=exact)
    return entries


def _allows_http(info: ValidationInfo) -> bool:
    return bool((info.context or {}).get("allow_http"))


def _one_line(value: str, rule: LiteralString) -> str:
    if not value.isprintable() or not value.strip():
        raise PydanticCustomError(rule, "must be one line of text")
    return value.strip()


def _checked_url(value: str | None, info: ValidationInfo) -> str | None:
    if value is not None:
        with _rule_named():
            check_url(value, allow_http=_allows_http(info))
    return value


@contextmanager
def _rule_named(prefix: str = "") -> Iterator[None]:
    try:
        yield
    except RedirectRefused as refused:
        raise PydanticCustomError(
            "redirect", "{words}", {"rule": refused.rule, "words": f"{prefix}{refused}"}
        ) from None
