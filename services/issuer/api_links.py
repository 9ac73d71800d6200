"""`POST /v1/links` and `POST /v1/links/batch`: parse, issue, render."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.issuer import shapes
from services.issuer.alike import Alike
from services.issuer.idempotency import guard_of
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.orders import Issued, Order
from services.issuer.policy import App, Apps, Draft, draft_link
from services.issuer.reveal import Secrets
from shared.errors import Refusal
from shared.http.problems import problem
from shared.http.routes import (
    BATCH_BODY_BYTES,
    ApiKey,
    Call,
    Described,
    Route,
    json_response,
)
from shared.keys import KeyRing
from shared.links import LinkRequest, link_view

BATCH_ITEMS = 10_000
_BATCH_TOKENS = 10


class BatchRequest(BaseModel):
    """The body of a batch. Its items are checked one by one, so that a bad one refuses itself only."""

    model_config = ConfigDict(extra="forbid")

    links: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=BATCH_ITEMS)]


@dataclass(frozen=True, slots=True)
class LinksApi:
    """The handlers, and what they need."""

    issue: Issue
    apps: Apps
    lanes: Lanes
    ring: KeyRing
    public_url: str

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.ring, self.public_url)

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/links",
                self.create,
                ApiKey("links:create"),
                described=Described(body=LinkRequest, answers={201: shapes.MadeLink}),
            ),
            Route(
                "POST",
                "/v1/links/batch",
                self.create_batch,
                ApiKey("links:create"),
                tokens=_BATCH_TOKENS,
                max_body_bytes=BATCH_BODY_BYTES,
                described=Described(body=shapes.BatchOfRequests, answers={200: shapes.Batch}),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a link, and send it when a channel is named."""
        request = await call.body(LinkRequest)
        app = await self.apps.get(call.caller.app_id)
        draft = await self.lanes.assign(draft_link(app, request, "interactive", call.caller.limits))
        receipt = await self.issue.one(self._order(call, app, "POST /v1/links", [draft]))
        item = receipt.items[0]
        if isinstance(item, Refusal):
            raise item
        return json_response(self.view(item, app, call), 201, receipt.headers)

    async def create_batch(self, call: Call) -> web.Response:
        """Make up to 10,000 links; each item succeeds or is refused by itself."""
        batch = await call.body(BatchRequest)
        app = await self.apps.get(call.caller.app_id)
        alike = Alike(app, "bulk", LinkRequest, call.caller.limits)
        items = await self.lanes.assign_all(
            [_draft(alike, index, item) for index, item in enumerate(batch.links)]
        )
        receipt = await self.issue.one(self._order(call, app, "POST /v1/links/batch", items))
        results = [
            {"error": problem(item)} if isinstance(item, Refusal) else self.view(item, app, call)
            for item in receipt.items
        ]
        return json_response({"results": results}, 200, receipt.headers)

    def _order(self, call: Call, app: App, scope: str, items: list[Draft | Refusal]) -> Order:
        guard = guard_of(call, self.ring, scope)
        return Order(app.id, items, guard, "api", {"x-request-id": call.request_id})

    def view(self, link: Issued, app: App, call: Call) -> dict[str, Any]:
        """The link as its maker sees it. The secrets are derived here, for a key that may see them, and kept nowhere."""
        secrets: Mapping[str, Any] = {}
        if call.caller.may("links:reveal"):
            secrets = self.secrets.of(app, link)
        return {
            "link": {**link_view(link._asdict()), **secrets},
            "user_created": link.user_created,
            "message": link.message,
        }


def _draft(alike: Alike, index: int, item: dict[str, Any]) -> Draft | Refusal:
    try:
        return alike.draft(item, f"links.{index}.")
    except Refusal as refusal:
        return refusal
