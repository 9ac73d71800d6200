"""Webhook endpoints, as methods. To check what arrives, any library of Standard Webhooks will do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .calling import Calling, segment


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where your app is told of its events. `secret` stands in the answer that made it, and is None otherwise."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    secret: str | None = field(default=None, repr=False)


class Webhooks(Calling):
    """The issuer's routes for webhooks."""

    async def create_webhook(
        self, url: str, events: Sequence[str] = (), *, idempotency_key: str | None = None
    ) -> Webhook:
        """Makes an endpoint for these events (`link.consumed`), or for every one."""
        body = {"url": url, "events": list(events)}
        return _webhook(await self._issuer("POST", "/v1/webhooks", body, key=idempotency_key))

    async def get_webhook(self, webhook_id: str) -> Webhook:
        return _webhook(await self._issuer("GET", f"/v1/webhooks/{segment(webhook_id)}"))

    async def find_webhooks(self) -> list[Webhook]:
        """The endpoints of your app, twenty at most."""
        answer = await self._issuer("GET", "/v1/webhooks")
        return [_webhook(item) for item in answer["items"]]

    async def delete_webhook(self, webhook_id: str) -> None:
        """Deletes an endpoint, and what waits for it."""
        await self._issuer("DELETE", f"/v1/webhooks/{segment(webhook_id)}")

    async def test_webhook(self, webhook_id: str, *, idempotency_key: str | None = None) -> str:
        """Sends an endpoint an event that is made for it; returns the event's id."""
        path = f"/v1/webhooks/{segment(webhook_id)}/test"
        return str((await self._issuer("POST", path, {}, key=idempotency_key))["event_id"])


def _webhook(document: Mapping[str, Any]) -> Webhook:
    disabled = document["disabled_at"]
    return Webhook(
        document["id"],
        document["url"],
        tuple(document["events"]),
        datetime.fromisoformat(document["created_at"]),
        None if disabled is None else datetime.fromisoformat(disabled),
        document.get("secret"),
    )
