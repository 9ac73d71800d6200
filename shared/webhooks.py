"""Signed webhooks (Standard Webhooks 1.0, https://www.standardwebhooks.com): how they are signed, and how a receiver checks them. Pure.

signed content = id "." timestamp "." body; signature = "v1," + base64(HMAC-SHA-256(secret, content)).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from shared.keys import KeyRing

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
_SHORTEST_SECRET_BYTES = 16
TOLERANCE_SECONDS = 300
"""How far a receiver lets the sender's clock be off; a message that was recorded is worth nothing afterwards."""

# Between services, or made for one endpoint.
_INTERNAL = frozenset(
    {"link.requested", "link.renewal_requested", "message.queued", "webhook.queued", "webhook.tested"}
)
_SCHEMA = re.compile(r"magiclink\.(.+)\.v1\.json")


class WebhookInvalid(ValueError):  # noqa: N818 - states the fact
    """The message is not from the one who has the secret, or too old. The message names the rule, never the secret."""


def event_names() -> frozenset[str]:
    """Return what an endpoint may ask for: every event that product services may read, as `link.consumed`."""
    folder = Path(__file__).parent / "schemas"
    named = {found[1] for path in folder.iterdir() if (found := _SCHEMA.fullmatch(path.name))}
    return frozenset(named - _INTERNAL)


def name_of(event_type: str) -> str:
    """Return `link.consumed` of `magiclink.link.consumed.v1`."""
    return event_type.removeprefix("magiclink.").rpartition(".v")[0]


def secret_of(ring: KeyRing, kid: str, endpoint_id: UUID) -> str | None:
    """Return an endpoint's signing secret, `whsec_` and base64 of 32 bytes; None when its key was dropped from the ring.

    Derived, never stored: who reads the database can forge no webhook.
    """
    key = ring.key("webhook", kid)
    if key is None:
        return None
    return SECRET_PREFIX + base64.b64encode(hmac.digest(key, endpoint_id.bytes, "sha256")).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message. `timestamp` in Unix seconds, of this try."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(secret, message_id, str(timestamp), body)}",
    }


def message_id_of(event_id: str) -> str:
    """Return the `webhook-id`: the same for every try of an event. A dot in it could be taken for the one before the timestamp."""
    return event_id.replace(".", "_")


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
    """Check a message that was received. `headers` must find names in lower case. Raises `WebhookInvalid`.

    What an attacker tries: another body, a recorded message, a signature of another scheme.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise WebhookInvalid("webhook-id and webhook-timestamp are required")
    if abs(now_seconds - int(timestamp)) > TOLERANCE_SECONDS:
        raise WebhookInvalid(f"webhook-timestamp is more than {TOLERANCE_SECONDS} seconds off")
    expected = f"v1,{_signature(secret, message_id, timestamp, body)}".encode()
    # Several, while a secret is changed. A list: every one is compared, whichever matches.
    given = [_bytes(part) for part in headers.get("webhook-signature", "").split(" ")]
    if not any([hmac.compare_digest(expected, one) for one in given]):  # noqa: C419
        raise WebhookInvalid("webhook-signature does not fit")


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise WebhookInvalid("the secret must be whsec_ and base64") from None
    if len(key) < _SHORTEST_SECRET_BYTES:
        # An empty one, say, because a setting is missing: with it anybody can sign.
        raise WebhookInvalid(f"the secret must have {_SHORTEST_SECRET_BYTES} bytes or more")
    content = _bytes(message_id) + b"." + timestamp.encode() + b"." + body
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def _bytes(text: str) -> bytes:
    """Return a header's bytes; servers hand on those that are no UTF-8 as lone surrogates."""
    return text.encode("utf-8", "surrogateescape")
