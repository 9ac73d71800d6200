"""What is told of a link and its messages afterwards: state, deliveries, and all of it in the order of time. Never a secret."""

import re
from collections.abc import Container, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from services.issuer.tenancy import SQL, Reader
from shared.database import Row
from shared.errors import NotFound
from shared.links import link_view
from shared.recipients import mask

PASSCODE_TRIES: Final = 5
_REPORTED: Final = frozenset({"delivered", "undelivered", "failed"})


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
    others = [
        *map(visit_view, await reader.fetch(SQL.read_visits, app_id, link_id)),
        *map(dict, await reader.fetch(SQL.read_successors, app_id, link_id)),
    ]
    messages = [message_view(row, show_recipient=show_recipients) for row in rows]
    hidden = [] if show_recipients else [row["recipient"] for row in rows]
    told = [attempt_view(attempt, hidden) for attempt in attempts]
    return {
        "link": told_link(link),
        "messages": messages,
        "timeline": timeline(link, messages, told, others),
    }


def told_link(row: Row) -> dict[str, Any]:
    """Return a link as it is told afterwards."""
    locked = row["passcode_tries"] >= PASSCODE_TRIES
    return {
        **link_view(row),
        "binding": row["binding"],
        "slot": row["slot"],
        "passcode_locked": locked and row["status"] in ("issued", "scheduled"),
    }


def visit_view(row: Row) -> dict[str, Any]:
    """Return a visit or a refusal of the link: what kind of visitor, and why. No address and no browser's name is kept of it."""
    view = {"at": row["at"], "event": row["event"], "visitor": row["visitor"]}
    return {**view, "code": row["detail"]} if row["event"] == "refused" else view


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
    link: Row,
    messages: Sequence[dict[str, Any]],
    attempts: Sequence[dict[str, Any]],
    others: Iterable[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return `{at, event, …}` of everything that happened to a link, by time; what is of one moment in its natural order.

    `others` are events as they are to be told: visits, and the newer links that followed.
    """
    events: list[dict[str, Any]] = [{"at": link["created_at"], "event": "issued"}]
    for message in messages:
        events.append(_of_message(message, message["created_at"], "queued"))
        of_message = [attempt for attempt in attempts if attempt["message_id"] == message["id"]]
        for attempt in of_message:
            events += _of_attempt(attempt)
        events += _of_status(message, {attempt["outcome"] for attempt in of_message})
    events += [*others, *_of_link(link)]
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


def _of_status(message: dict[str, Any], outcomes: Container[str]) -> list[dict[str, Any]]:
    """What only the message's row tells: an attempt under way, an end without one, and what the provider reported afterwards."""
    status, events = message["status"], []
    if message["accepted_at"] is not None and "accepted" not in outcomes:
        # Its attempt's outcome was unknown; the provider's report came later.
        events.append(_of_message(message, message["accepted_at"], "accepted"))
    if status not in outcomes and status not in ("queued", "unknown", "accepted"):
        told = _of_message(message, message["updated_at"], status)
        events.append(told | {"detail": message["last_error"]} if status in _REPORTED else told)
    return events


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
