"""API keys of an app. A key's text exists in the answer that made it and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from services.issuer.announce import Announcer
from services.issuer.app_settings import Seconds, Text, checked_entries
from services.issuer.apps import find_app
from services.issuer.idempotency import Answered, Once, Work
from services.issuer.key_limits import wider_limits
from services.issuer.orders import Guard
from services.issuer.paging import PageQuery, page
from services.issuer.tenancy import SQL, AnyConnection, Reach, Reader
from shared.api_keys import SCOPES, new_key
from shared.database import Connection, Pool, Row
from shared.errors import FieldProblem, Forbidden, Invalid, NotFound
from shared.http.routes import Caller, KeyLimits, validate
from shared.links import LinkType, Moment
from shared.recipients import RecipientInvalid, normalize_domain

# Who may change every app may change its own: the routes of apps ask for these.
_IMPLIED = {"apps:admin": ("apps:read", "apps:write")}
_LIMIT_NAMES = ("types", "redirect_urls", "max_ttl_seconds", "recipient_domains", "endpoints")

DomainName = Annotated[str, Field(min_length=1, max_length=253)]
EndpointPath = Annotated[str, Field(pattern=r"^/[\x21-\x7e]{0,199}$")]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def _known_scopes(scopes: list[str]) -> list[str]:
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown:
        raise PydanticCustomError(
            "scope_unknown", "holds an unknown scope; there are: {known}", {"known": ", ".join(SCOPES)}
        )
    return scopes


def _domains(domains: list[str]) -> list[str]:
    try:
        return sorted({normalize_domain(domain) for domain in domains})
    except RecipientInvalid as invalid:
        raise PydanticCustomError("domain_format", "holds what {reason}", {"reason": str(invalid)}) from None


class KeyCreate(BaseModel):
    """The body of `POST /v1/apps/{id}/keys`. What is absent or null: whatever the app allows."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=100), AfterValidator(_known_scopes)]
    expires_at: Moment | None = None
    types: Annotated[list[LinkType], Field(min_length=1, max_length=10)] | None = None
    redirect_urls: Annotated[list[Text], Field(max_length=200)] | None = None
    max_ttl_seconds: Seconds | None = None
    recipient_domains: (
        Annotated[list[DomainName], Field(min_length=1, max_length=200), AfterValidator(_domains)] | None
    ) = None
    endpoints: Annotated[dict[EndpointPath, list[Method]], Field(min_length=1, max_length=100)] | None = None

    @field_validator("redirect_urls")
    @classmethod
    def _entries(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        return None if value is None else checked_entries(value, info)

    @property
    def limits(self) -> KeyLimits:
        """What the key may ask for."""
        return KeyLimits(
            types=None if self.types is None else frozenset(self.types),
            redirect_urls=None if self.redirect_urls is None else tuple(self.redirect_urls),
            max_ttl_seconds=self.max_ttl_seconds,
            recipient_domains=None if self.recipient_domains is None else frozenset(self.recipient_domains),
        )


def key_settings(values: Any, *, allow_http: bool) -> KeyCreate:
    """Return checked settings of a new key. Raises `Invalid` with every field problem."""
    return validate(KeyCreate, values, context={"allow_http": allow_http})


async def create_key(connection: AnyConnection, app_id: UUID, wanted: KeyCreate) -> dict[str, Any]:
    """Make a key; return its view with `key`, its text, shown this once. Raises `NotFound`, or `Invalid` for a past expiry."""
    key = new_key()
    row = await connection.fetchrow(
        SQL.create_key, key.id, app_id, wanted.name, key.prefix, key.hash, with_implied(wanted.scopes), wanted.expires_at,
        wanted.types and sorted(set(wanted.types)), wanted.redirect_urls, wanted.max_ttl_seconds, wanted.recipient_domains,
        None if wanted.endpoints is None else orjson.dumps(wanted.endpoints).decode(),
    )  # fmt: skip
    if row is None:
        raise NotFound("no such app")
    if row["is_over"]:
        raise Invalid([FieldProblem("expires_at", "expiry_past", "lies in the past")])
    return {**key_view(row), "key": key.text}


def with_implied(scopes: Iterable[str]) -> list[str]:
    """Return the scopes and what they bring along, each once, in the order of `SCOPES`. Raises `ValueError` for an unknown one."""
    wanted = set(scopes)
    if not wanted <= SCOPES.keys():
        raise ValueError(f"unknown scopes; there are: {', '.join(SCOPES)}")
    wanted |= {implied for scope in wanted for implied in _IMPLIED.get(scope, ())}
    return [scope for scope in SCOPES if scope in wanted]


def key_view(row: Row) -> dict[str, Any]:
    """Return a key as the API tells it, without its text."""
    names = (
        "id", "app_id", "name", "prefix", "scopes", "types", "redirect_urls", "max_ttl_seconds", "recipient_domains",
        "endpoints", "expires_at", "revoked_at", "created_at",
    )  # fmt: skip
    return {name: row[name] for name in names}


async def tell_own_key(reader: Reader, caller: Caller) -> dict[str, Any]:
    """Return what a caller may do, and the app it calls for: its own, or the one that it acts for."""
    row = await reader.fetchrow(SQL.find_own_key, caller.key_id)
    if row is None:
        raise NotFound("no such key")
    limits = {name: row[name] for name in _LIMIT_NAMES}
    app = await find_app(reader, Reach(caller.app_id, every_app=False), caller.app_id)
    named = {name: row[name] for name in ("id", "name", "prefix")}
    return {**named, "scopes": with_implied(caller.scopes), **limits, "app": app}


async def list_keys(connection: AnyConnection, app_id: UUID, query: PageQuery) -> dict[str, Any]:
    """Return a page of an app's keys, revoked and expired ones included."""
    rows = await connection.fetch(SQL.list_api_keys, app_id, query.after, query.limit + 1)
    return page(rows, query.limit, key_view)


@dataclass(frozen=True, slots=True)
class KeyRegister:
    """The transitions of API keys."""

    pool: Pool
    once: Once
    announcer: Announcer

    async def create(self, caller: Caller, app_id: UUID, wanted: KeyCreate, guard: Guard | None) -> Answered:
        """Make a key for an app in the caller's reach. Raises `Forbidden` when it would go further than the caller's own."""
        # Else a key that may only make keys could make itself one that may do anything.
        _check_granted(caller, with_implied(wanted.scopes), wanted.limits)
        reach = Reach.of(caller)

        async def do(connection: Connection) -> dict[str, Any]:
            await find_app(connection, reach, app_id)
            await _check_own(connection, caller, wanted)
            return await create_key(connection, app_id, wanted)

        async def again(connection: Connection, key_id: UUID) -> dict[str, Any]:
            row = await connection.fetchrow(SQL.find_api_key, app_id, key_id)
            if row is None:
                raise NotFound("no such key")
            return {**key_view(row), "key": None}

        return await self.once.run(guard, Work(do, again))

    async def list(self, reach: Reach, app_id: UUID, query: PageQuery) -> dict[str, Any]:
        """Return a page of the keys of an app in reach."""
        async with self.pool.acquire() as connection:
            await find_app(connection, reach, app_id)
            return await list_keys(connection, app_id, query)

    async def revoke(self, reach: Reach, app_id: UUID, key_id: UUID) -> None:
        """Revoke a key, at once on every replica. Raises `NotFound`; revoking it again is fine."""
        revoked = await self.pool.fetchval(SQL.revoke_api_key, app_id, reach.app_id, reach.every_app, key_id)
        if revoked is None:
            raise NotFound("no such key")
        await self.announcer.changed(app_id)


def is_within(granted: Mapping[str, Iterable[str]] | None, own: Mapping[str, Iterable[str]] | None) -> bool:
    """Say whether every granted path and method of a vendor's API is one of the key's own; None: all of them."""
    if own is None:
        return True
    return granted is not None and all(
        set(methods) <= set(own.get(path, ())) for path, methods in granted.items()
    )


def _check_granted(caller: Caller, scopes: Sequence[str], limits: KeyLimits) -> None:
    surplus = [scope for scope in scopes if not caller.may(scope)]
    if surplus:
        raise Forbidden(f"a key grants only scopes it has itself, and this one lacks {', '.join(surplus)}")
    wider = wider_limits(limits, caller.limits)
    if wider:
        raise Forbidden(f"a key makes no key that goes further than itself: narrow {', '.join(wider)}")


async def _check_own(connection: Connection, caller: Caller, wanted: KeyCreate) -> None:
    own = await connection.fetchrow(SQL.find_api_key, caller.app_id, caller.key_id)
    if own is None:
        raise Forbidden("the key that makes a key is there no more")
    if not is_within(wanted.endpoints, own["endpoints"]):
        raise Forbidden("a key makes no key that goes further than itself: narrow endpoints")
    # Else a key lent for a day could make itself one for ever.
    ends_at = own["expires_at"]
    if ends_at is not None and (wanted.expires_at is None or wanted.expires_at > ends_at):
        raise Forbidden(f"a key makes no key that outlives it: give expires_at, by {ends_at.isoformat()}")
