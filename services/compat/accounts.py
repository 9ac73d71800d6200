"""Whose call it is: a vendor's key is a native key of an app that answers as that vendor's; a keyless call names the app."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import structlog

from services.compat.native import Caller, Native, NativeRefusal
from shared.errors import Unauthorized, Unavailable
from shared.fresh import FreshCache

log = structlog.get_logger()

_CACHE_SECONDS = 5.0
# Keys and names come from anybody. Longer ones are nobody's, and are not remembered either; some vendors' secrets come in a body,
# where a line break would make a header of ours.
_SENDABLE = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class VendorApp:
    """An app as the vendor's contract sees it. `settings` is the native app, with `vendor_settings`."""

    id: UUID
    vendor: str
    vendor_id: str
    settings: Mapping[str, Any]

    @property
    def vendor_settings(self) -> Mapping[str, Any]:
        """What only this vendor's translation reads."""
        found: Mapping[str, Any] = self.settings.get("vendor_settings") or {}
        return found

    @classmethod
    def of(cls, app: Mapping[str, Any]) -> "VendorApp":
        return cls(UUID(app["id"]), app["vendor"], app["vendor_id"], app)


@dataclass(frozen=True, slots=True)
class Account:
    """An app, and the authority to call the native API for it. `endpoints`: all that a key may call, None: everything."""

    app: VendorApp
    native: Caller
    endpoints: Mapping[str, list[str]] | None = None

    def may_call(self, method: str, path: str) -> bool:
        """Say whether the key may call this path of the vendor's API (FusionAuth's limits of API keys)."""
        return self.endpoints is None or method in self.endpoints.get(path, ())


@dataclass(frozen=True, slots=True)
class Named:
    """How a call without a key says whose it is: with neither id, the vendor's only app."""

    vendor: str
    vendor_id: str | None = None
    application_id: str | None = None


class Accounts:
    """Finds accounts; what it learned is a few seconds old at most."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self._by_key: FreshCache[str, dict[str, Any] | None] = FreshCache(
            self._load_key, ttl_seconds=_CACHE_SECONDS
        )
        self._by_vendor_id: FreshCache[Named, VendorApp | None] = FreshCache(
            self._load_app, ttl_seconds=_CACHE_SECONDS
        )

    async def of_key(self, vendor: str, api_key: str, *, holds_to_endpoints: bool = False) -> Account:
        """Return the account of a vendor's key. Raises `Unauthorized` for an unknown key, or one of another vendor's app.

        A key that is limited to endpoints is refused too, unless its vendor `holds_to_endpoints`, that is asks `may_call` of each call.
        """
        found = await self._by_key.get(api_key) if _SENDABLE.fullmatch(api_key) else None
        if found is None:
            raise Unauthorized
        app = found["app"]
        if app["vendor"] != vendor:
            # The caller hears what everybody hears; the operator, who mixed up two keys, hears which.
            log.warning("key_of_another_app", vendor=vendor, answers_as=app["vendor"], app_id=app["id"])
            raise Unauthorized
        if found["endpoints"] is not None and not holds_to_endpoints:
            raise Unauthorized
        return Account(VendorApp.of(found["app"]), self.native.with_key(api_key), found["endpoints"])

    async def of_vendor_id(self, vendor: str, vendor_id: str) -> Account | None:
        """Return the account of an app that a keyless call names; None: there is no such app."""
        if not _SENDABLE.fullmatch(vendor_id):
            return None
        return await self._found(Named(vendor, vendor_id=vendor_id))

    async def of_application(self, vendor: str, application_id: UUID) -> Account | None:
        """Return the account of the vendor's app that an application belongs to, or None."""
        return await self._found(Named(vendor, application_id=str(application_id)))

    async def of_only_app(self, vendor: str) -> Account | None:
        """Return the account of the vendor's app where there is exactly one."""
        return await self._found(Named(vendor))

    async def _found(self, named: Named) -> Account | None:
        app = await self._by_vendor_id.get(named)
        return None if app is None else Account(app, self.native.acting_for(app.id))

    def forget(self) -> None:
        self._by_key.clear()
        self._by_vendor_id.clear()

    async def _load_key(self, api_key: str) -> dict[str, Any] | None:
        return await _or_none("unauthorized", self.native.with_key(api_key).issuer, "/v1/keys/self")

    async def _load_app(self, named: Named) -> VendorApp | None:
        own = self.native.with_key(self.native.own_key)
        try:
            found = await _or_none("not_found", own.issuer, "/v1/apps/by-vendor", query=asdict(named))
        except NativeRefusal as refusal:
            # Compat's own key was revoked: a fault of ours, which must not read as "there is no such app" or "your key is wrong".
            if refusal.native_code in ("unauthorized", "forbidden"):
                raise Unavailable("the native API refuses compat's own key", retry_after_seconds=5) from None
            raise
        return None if found is None else VendorApp.of(found)


async def _or_none(unknown: str, ask: Callable[..., Any], path: str, **options: Any) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await ask("GET", path, **options)
    except NativeRefusal as refusal:
        # What cannot be anybody's name (`invalid_request`) is nobody's.
        if refusal.native_code in (unknown, "invalid_request"):
            return None
        raise
    return found
