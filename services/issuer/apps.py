"""Apps: the tenants. Who may reach which one is in every statement."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.issuer.announce import Announcer
from services.issuer.app_identity import VendorQuery, changed_identity
from services.issuer.app_settings import AppCreate, changed_settings
from services.issuer.idempotency import Answered, Once, Work
from services.issuer.orders import Guard
from services.issuer.paging import PageQuery, page
from services.issuer.tenancy import SQL, AnyConnection, Reach, Reader
from shared.database import Pool, Row
from shared.errors import AlreadyExists, Forbidden, NotFound
from shared.tokens import new_link_id

_COLUMNS = tuple(AppCreate.model_fields)


async def create_app(connection: AnyConnection, settings: AppCreate) -> dict[str, Any]:
    """Make an app; return its view."""
    with _taken_named():
        row = await connection.fetchrow(SQL.create_app, new_link_id(), *_values(settings))
    return app_view(_there(row))


async def find_app(reader: Reader, reach: Reach, app_id: UUID) -> dict[str, Any]:
    """Return an app's view. Raises `NotFound`."""
    row = await reader.fetchrow(SQL.find_app, app_id, reach.app_id, reach.every_app)
    return app_view(_there(row))


async def find_vendor_app(reader: Reader, query: VendorQuery) -> dict[str, Any]:
    """Return the app that answers as a vendor's and is the only one that the query fits. Raises `NotFound`."""
    rows = await reader.fetch(SQL.find_vendor_app, query.vendor, query.vendor_id, query.application_id)
    return app_view(_there(rows[0] if len(rows) == 1 else None))


async def list_apps(reader: Reader, reach: Reach, query: PageQuery) -> dict[str, Any]:
    """Return a page of the apps in reach."""
    rows = await reader.fetch(SQL.list_apps, reach.app_id, reach.every_app, query.after, query.limit + 1)
    return page(rows, query.limit, app_view)


def app_view(row: Row) -> dict[str, Any]:
    """Return an app as the API tells it: the columns of the table."""
    return {name: row[name] for name in ("id", *_COLUMNS, "created_at", "updated_at")}


@dataclass(frozen=True, slots=True)
class AppRegister:
    """The transitions of apps."""

    pool: Pool
    once: Once
    announcer: Announcer
    allow_http: bool

    async def create(self, settings: AppCreate, guard: Guard | None) -> Answered:
        """Make an app. Only for callers that administer every app."""
        every_app = Reach(UUID(int=0), every_app=True)
        return await self.once.run(
            guard,
            Work(
                do=lambda connection: create_app(connection, settings),
                again=lambda connection, app_id: find_app(connection, every_app, app_id),
            ),
        )

    async def change(self, reach: Reach, app_id: UUID, changes: Any) -> dict[str, Any]:
        """Change some settings.

        Raises `NotFound`, `Invalid` when the whole would not fit together, `AlreadyExists` for another app's `vendor_id`, or
        `Forbidden` for the settings that are the operator's.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SQL.find_app_to_change, app_id, reach.app_id, reach.every_app)
            current = {name: value for name, value in app_view(_there(row)).items() if name in _COLUMNS}
            settings = changed_settings(current, changes, allow_http=self.allow_http)
            foreign = [] if reach.every_app else changed_identity(current, settings)
            if foreign:
                raise Forbidden(f"needs the scope apps:admin to change {', '.join(foreign)}")
            with _taken_named():
                changed = await connection.fetchrow(SQL.update_app, app_id, *_values(settings))
        await self.announcer.changed(app_id)
        return app_view(_there(changed))


def _values(settings: AppCreate) -> list[Any]:
    s = settings
    return [
        s.name, s.base_url, s.redirect_urls, s.default_redirect_url, s.landing_url, s.ttl_seconds, s.max_ttl_seconds,
        s.grant_ttl_seconds, s.passcode_strategy, s.passcode_length, s.jwt_algorithm, s.locale, s.sender,
        orjson.dumps(s.branding.model_dump(exclude_none=True)).decode(), s.intake, s.interactive_per_minute,
        s.latest_only, s.ttl_from, s.acceptance_cap_seconds, s.texts_per_hour, s.texts_per_recipient_per_hour,
        s.passcode_tries_per_day, s.vendor, s.vendor_id, orjson.dumps(s.vendor_settings).decode(), s.jwt_issuer,
        s.jwt_audience, s.user_id_format, s.redirects_exact, s.passcode_standalone, s.require_verified, s.session_seconds,
        s.trust_seconds,
    ]  # fmt: skip


@contextmanager
def _taken_named() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "apps_vendor":
            raise
        raise AlreadyExists("vendor_id: another app answers as this one") from None


def _there(row: Row | None) -> Row:
    if row is None:
        raise NotFound("no such app")
    return row
