"""Native events as WorkOS's (VENDORS §2.6). Pure: what an event says of addresses is looked up by whoever calls."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from services.compat.workos import ids, shapes
from services.compat.workos.magic_auth import is_magic_auth

SIGNATURE_HEADER: Final = "WorkOS-Signature"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a native event names by its ids: the link and its user, as the native API tells them."""

    link: Json
    user: Json


def translated(native: Json, facts: Facts) -> dict[str, Any] | None:
    """Return WorkOS's event for a native one, None where it has none: passwordless sessions have no events."""
    maker = _EVENTS.get(native["type"])
    if maker is None or not is_magic_auth(facts.link):
        return None
    name, data = maker(facts)
    return {
        "object": "event",
        "id": event_id(native["id"]),
        "event": name,
        "created_at": shapes.moment(native["time"]),
        "data": data,
    }


def concerns(native: Json) -> bool:
    """Say whether a native event may become one of WorkOS's."""
    return native["type"] in _EVENTS


def event_id(native_id: str) -> str:
    """Return the event's id: the same however often it is told, so that the product knows it again."""
    return ids.named(ids.EVENT, str(UUID(bytes=hashlib.sha256(native_id.encode()).digest()[:16])))


def event_body(event: Json) -> bytes:
    """Return the event as it is signed and sent: compact JSON in UTF-8, because Node's SDK hashes what it wrote anew."""
    return orjson.dumps(event)


def signature(secret: str, body: bytes, unix_ms: int) -> str:
    """Return the value of `WorkOS-Signature`. `unix_ms`: milliseconds. The space after the comma is part of the form."""
    signed = f"{unix_ms}.".encode() + body
    digest = hmac.new(secret.encode(), signed, "sha256").hexdigest()
    return f"t={unix_ms}, v1={digest}"


def _created(facts: Facts) -> tuple[str, dict[str, Any]]:
    return "magic_auth.created", shapes.magic_auth(facts.link, facts.user)


def _succeeded(facts: Facts) -> tuple[str, dict[str, Any]]:
    return "authentication.magic_auth_succeeded", _authentication(facts, "succeeded")


def _failed(facts: Facts) -> tuple[str, dict[str, Any]]:
    error = {"code": "invalid_one_time_code", "message": "The code is invalid, used or expired."}
    return "authentication.magic_auth_failed", _authentication(facts, "failed") | {"error": error}


def _authentication(facts: Facts, status: str) -> dict[str, Any]:
    # Native events name nobody's address and browser.
    return {
        "type": "magic_auth",
        "status": status,
        "ip_address": None,
        "user_agent": None,
        "user_id": facts.user["public_id"],
        "email": facts.user["email"] or "",
    }


_EVENTS: Final = {
    "magiclink.link.issued.v1": _created,
    "magiclink.link.consumed.v1": _succeeded,
    "magiclink.passcode.refused.v1": _failed,
}
