"""Webhook endpoints of an app: where it is told of its events. The notifier delivers; here they are made, listed, deleted and tried."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.issuer.idempotency import Answered, Once, Work
from services.issuer.link_rows import SOURCE
from services.issuer.orders import Guard
from services.issuer.paging import PageQuery, page
from services.issuer.tenancy import Reader
from shared import outbox
from shared.bus import Event
from shared.database import Connection, Pool, Row
from shared.errors import FieldProblem, Invalid, NotFound
from shared.keys import KeyRing
from shared.outbox import OutboxBell, lifecycle_row
from shared.redirects import RedirectRefused, check_url
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id
from shared.webhooks import event_names, secret_of

SQL = SqlBlocks(Path(__file__).parent / "webhooks.sql")
MOST_ENDPOINTS = 20
_EVENTS = event_names()


class WebhookCreate(BaseModel):
    """The body of `POST /v1/webhooks`. Validate with `{"allow_http": …}` as context: http is for the dev environment."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    events: Annotated[list[str], Field(max_length=100)] = Field(
        default_factory=list, description="Names of events, as `link.consumed`; empty: every one."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        try:
            check_url(value, allow_http=bool((info.context or {}).get("allow_http")))
        except RedirectRefused as refused:
            raise PydanticCustomError(
                "webhook_url", "{words}", {"rule": refused.rule, "words": str(refused)}
            ) from None
        return value

    @field_validator("events")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        if not set(value) <= _EVENTS:
            known = ", ".join(sorted(_EVENTS))
            raise PydanticCustomError("event_unknown", "there are {known}", {"known": known})
        return sorted(set(value))


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Reads and the transitions of endpoints."""

    pool: Pool
    once: Once
    bell: OutboxBell
    ring: KeyRing

    async def create(self, app_id: UUID, wanted: WebhookCreate, guard: Guard | None) -> Answered:
        """Make an endpoint; the answer, and its replay, tell the signing secret. Raises `Invalid` for one too many."""

        async def do(connection: Connection) -> dict[str, Any]:
            await connection.execute(SQL.lock_app, app_id)
            row = await connection.fetchrow(
                SQL.create_webhook, app_id, new_link_id(), self.ring.newest["webhook"], wanted.url, wanted.events,
                MOST_ENDPOINTS,
            )  # fmt: skip
            if row is None:
                raise Invalid(
                    [FieldProblem("url", "too_many_webhooks", f"the app has {MOST_ENDPOINTS} already")]
                )
            return self._with_secret(row)

        async def again(connection: Connection, endpoint_id: UUID) -> dict[str, Any]:
            return self._with_secret(await _find(connection, app_id, endpoint_id))

        return await self.once.run(guard, Work(do, again))

    async def read(self, app_id: UUID, endpoint_id: UUID) -> dict[str, Any]:
        """Return an endpoint. Raises `NotFound`."""
        return webhook_view(await _find(self.pool, app_id, endpoint_id))

    async def list(self, app_id: UUID, query: PageQuery) -> dict[str, Any]:
        """Return a page of the app's endpoints."""
        rows = await self.pool.fetch(SQL.list_webhooks, app_id, query.after, query.limit + 1)
        return page(rows, query.limit, webhook_view)

    async def delete(self, app_id: UUID, endpoint_id: UUID) -> None:
        """Delete an endpoint and what waits for it. Raises `NotFound`."""
        if await self.pool.fetchval(SQL.delete_webhook, app_id, endpoint_id) is None:
            raise NotFound("no such webhook")

    async def test(self, app_id: UUID, endpoint_id: UUID, guard: Guard | None, request_id: str) -> Answered:
        """Send the endpoint an event made for it, whatever events it asks for; return the event's id. Raises `NotFound`."""

        async def do(connection: Connection) -> dict[str, Any]:
            endpoint = await _find(connection, app_id, endpoint_id)
            event = tested_event(endpoint["id"], app_id)
            row = lifecycle_row(event, endpoint["id"], {"x-request-id": request_id})
            await outbox.append(connection, [row])
            return {"event_id": event.id}

        answered = await self.once.run(guard, Work(do))
        self.bell.ring()
        return answered

    def _with_secret(self, row: Row) -> dict[str, Any]:
        return {**webhook_view(row), "secret": secret_of(self.ring, row["kid"], row["id"])}


def tested_event(endpoint_id: UUID, app_id: UUID) -> Event:
    """Return an event made for one endpoint."""
    data = {"webhook_id": str(endpoint_id), "app_id": str(app_id)}
    return Event("magiclink.webhook.tested.v1", f"{endpoint_id}.{uuid4()}", SOURCE, str(endpoint_id), data)


def webhook_view(row: Row) -> dict[str, Any]:
    """Return an endpoint as the API tells it: never its secret."""
    return {name: row[name] for name in ("id", "url", "events", "created_at", "disabled_at")}


async def _find(reader: Reader, app_id: UUID, endpoint_id: UUID) -> Row:
    row = await reader.fetchrow(SQL.find_webhook, app_id, endpoint_id)
    if row is None:
        raise NotFound("no such webhook")
    return row
