"""What is told of a link and its messages afterwards: state, deliveries, and all of it in the order of time. Never a secret."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.issuer.tenancy import SQL, Reader
from shared.database import Row
from shared.errors import NotFound
from shared.links import link_view
from shared.recipients import mask


async def read_link(reader: Reader, app_id: UUID, link_id: UUID) -> Row:
    """Return a link's row. Raises `NotFound`."""
    row = await reader.fetchrow(SQL.read_link, app_id, link_id)
    if row is None:
        raise NotFound("no such link")
    return row


async def link_history(
    reader: Reader, app_id: UUID, link_id: UUID, *, show_recipients: bool
) -> dict[str, Any]:
    """Return `{link, messages, timeline}`. Raises `NotFound`."""
    link = await read_link(reader, app_id, link_id)
    rows = await reader.fetch(SQL.read_messages_of_link, app_id, link_id)
    attempts = await reader.fetch(SQL.read_attempts, app_id, [row["id"] for row in rows]) if rows else []
    messages = [message_view(row, show_recipient=show_recipients) for row in rows]
    hidden = [] if show_recipients else [row["recipient"] for row in rows]
    return {
        "link": link_view(link),
        "messages": messages,
        "timeline": timeline(link, messages, [attempt_view(attempt, hidden) for attempt in attempts]),
    }


async def message_history(reader: Reader, app_id: UUID, message_id: UUID) -> dict[str, Any]:
    """Return a message and, as `message_attempts`, each attempt to send it. Raises `NotFound`."""
    row = await reader.fetchrow(SQL.read_message, app_id, message_id)
    if row is None:
        raise NotFound("no such message")
    attempts = await reader.fetch(SQL.read_attempts, app_id, [message_id])
    view = message_view(row, show_recipient=True)
    return {**view, "message_attempts": [attempt_view(attempt, []) for attempt in attempts]}


def message_view(row: Row, *, show_recipient: bool) -> dict[str, Any]:
    """Return a message as the API tells it. Without `messages:read` the recipient is masked, in the error's words too."""
    names = (
        "id", "link_id", "channel", "recipient", "locale", "template", "lane", "status", "attempts", "provider",
        "provider_id", "last_error", "created_at", "accepted_at", "updated_at",
    )  # fmt: skip
    view = {name: row[name] for name in names}
    if not show_recipient:
        view["recipient"] = mask(row["recipient"])
        view["last_error"] = _hide(row["last_error"], [row["recipient"]])
    return view


def attempt_view(row: Row, hidden: Iterable[str]) -> dict[str, Any]:
    """Return one attempt; `hidden` are the addresses that a provider may have quoted and this caller may not see."""
    names = ("message_id", "attempt", "started_at", "finished_at", "outcome", "provider", "provider_id")
    return {**{name: row[name] for name in names}, "detail": _hide(row["detail"], hidden)}


def timeline(
    link: Row, messages: Sequence[dict[str, Any]], attempts: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return `{at, event, …}` of everything that happened to a link, by time; what is of one moment in its natural order."""
    events: list[dict[str, Any]] = [{"at": link["created_at"], "event": "issued"}]
    for message in messages:
        events.append(_of_message(message, message["created_at"], "queued"))
        for attempt in attempts:
            if attempt["message_id"] == message["id"]:
                events += _of_attempt(attempt)
        events += _of_status(message)
    events += _of_link(link)
    return sorted(events, key=lambda event: event["at"])


def _of_message(message: dict[str, Any], at: object, event: str) -> dict[str, Any]:
    return {"at": at, "event": event, "message_id": message["id"], "channel": message["channel"]}


def _of_attempt(attempt: dict[str, Any]) -> list[dict[str, Any]]:
    of = {"message_id": attempt["message_id"], "attempt": attempt["attempt"]}
    words = {name: attempt[name] for name in ("provider", "provider_id", "detail")}
    return [
        {"at": attempt["started_at"], "event": "sending", **of},
        {"at": attempt["finished_at"], "event": attempt["outcome"], **of, **words},
    ]


def _of_status(message: dict[str, Any]) -> list[dict[str, Any]]:
    """What only the message's row tells: an attempt under way, and what the provider reported afterwards."""
    if message["status"] not in ("sending", "delivered", "undelivered"):
        return []
    return [_of_message(message, message["updated_at"], message["status"])]


def _of_link(link: Row) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    if link["consumed_at"] is not None:
        events.append({"at": link["consumed_at"], "event": "consumed", "via": link["consumed_via"]})
    if link["exchanged_at"] is not None:
        events.append({"at": link["exchanged_at"], "event": "exchanged"})
    if link["revoked_at"] is not None:
        events.append({"at": link["revoked_at"], "event": "revoked"})
    # A link that was used or taken back before its time did not expire.
    ended_before = link["consumed_at"] or link["revoked_at"]
    if link["expires_at"] <= min(link["read_at"], ended_before or link["read_at"]):
        events.append({"at": link["expires_at"], "event": "expired"})
    return events


def _hide(text: str | None, hidden: Iterable[str]) -> str | None:
    for address in hidden:
        if text is not None:
            pieces = re.split(re.escape(address), text, flags=re.IGNORECASE)
            text = mask(address).join(pieces)
    return text
