"""Whose call it is: a FusionAuth tenant is a native app, its API keys are that app's (VENDORS §4.1).

A call with a key is the key's tenant's. One without says its tenant by header, or by an application of it, or means the only one there is.
"""

from typing import Any, Final
from uuid import UUID

from services.compat.accounts import Account, Accounts
from services.compat.fusionauth.errors import invalid
from services.compat.native import NativeRefusal
from shared.errors import FieldProblem, Invalid, Unauthorized
from shared.fresh import FreshCache
from shared.http.routes import Call, Delegated

VENDOR: Final = "fusionauth"
BY_KEY: Final = Delegated("a FusionAuth API key is a native key, checked by the native API")
TENANT_HEADER: Final = "X-FusionAuth-TenantId"
_CACHE_SECONDS = 5.0
_TENANT_REQUIRED = Invalid(
    [
        FieldProblem(
            "",
            "TenantIdRequired",
            "A tenant is required to complete this request. Name it by the header X-FusionAuth-TenantId or by an applicationId.",
        )
    ]
)


class Tenants:
    """Finds accounts and their applications; what it learned is a few seconds old at most."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._applications: FreshCache[tuple[UUID, UUID], dict[str, Any] | None] = FreshCache(
            self._load, ttl_seconds=_CACHE_SECONDS
        )

    async def of_key(self, call: Call, endpoint: str) -> Account:
        """Return the account of the call's key. Raises `Unauthorized`, also when the key may not do this at `endpoint`."""
        key = call.request.headers.get("Authorization", "").strip()
        if not key:
            raise Unauthorized
        account = await self._accounts.of_key(VENDOR, key, holds_to_endpoints=True)
        # 1. A key may be limited to methods of endpoints; what is under an endpoint belongs to it.
        if not account.may_call(call.request.method, endpoint):
            raise Unauthorized
        # 2. A key is one tenant's.
        wanted = call.request.headers.get(TENANT_HEADER)
        if wanted is not None and wanted.lower() != account.app.vendor_id.lower():
            raise Unauthorized
        return account

    async def of_nobody(self, call: Call, application_id: UUID | None = None) -> Account:
        """Return the account that a call without a key means. Raises `Invalid` when none can be told."""
        wanted = call.request.headers.get(TENANT_HEADER) or call.request.query.get("tenantId")
        if wanted is not None:
            account = await self._accounts.of_vendor_id(VENDOR, wanted.lower())
        elif application_id is not None:
            account = await self._accounts.of_application(VENDOR, application_id)
        else:
            account = None
        found = account or (None if wanted else await self._accounts.of_only_app(VENDOR))
        if found is None:
            raise _TENANT_REQUIRED
        return found

    async def application(self, account: Account, application_id: UUID | None) -> dict[str, Any] | None:
        """Return an active application of the tenant, None when none is named. Raises `Invalid` for one that is not there."""
        if application_id is None:
            return None
        found = await self._applications.get((account.app.id, application_id))
        if found is None or not found["active"]:
            raise invalid("applicationId", "names no application of the tenant.")
        return found

    def forget(self) -> None:
        self._applications.clear()

    async def _load(self, named: tuple[UUID, UUID]) -> dict[str, Any] | None:
        app_id, application_id = named
        own = self._accounts.native.acting_for(app_id)
        try:
            found: dict[str, Any] = await own.issuer("GET", f"/v1/applications/{application_id}")
        except NativeRefusal as refusal:
            if refusal.native_code == "not_found":
                return None
            raise
        return found
