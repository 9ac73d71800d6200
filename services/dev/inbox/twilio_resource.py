"""Twilio's Message resource, with every property that its OpenAPI description has."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from services.dev.inbox.statuses import Report
from services.dev.inbox.twilio_rules import SendRequest
from services.notifier.segments import measure_sms

API_VERSION = "2010-04-01"


def new_sid(request: SendRequest) -> str:
    return ("MM" if request.media_urls else "SM") + secrets.token_hex(16)


def message_text(request: SendRequest) -> str:
    """What the recipient would read. Approved templates live at Twilio, so of those the id and the variables are shown."""
    lines = []
    if request.content_sid:
        lines.append(f"Content template {request.content_sid}")
        lines += [f"{name}: {value}" for name, value in request.content_variables.items()]
    if request.body:
        lines.append(request.body)
    lines += request.media_urls
    return "\n".join(lines)


def message_resource(
    request: SendRequest, account_sid: str, sid: str, created_at: datetime
) -> dict[str, Any]:
    """The answer to a create request; `created_at` is in UTC."""
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{sid}"
    prefix = "whatsapp:" if request.channel == "whatsapp" else ""
    created = format_datetime(created_at)
    return {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": request.body or "",
        "date_created": created,
        "date_sent": None,
        "date_updated": created,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": prefix + request.sender if request.sender else None,
        "messaging_service_sid": request.messaging_service_sid,
        "num_media": str(len(request.media_urls)),
        # With a messaging service no sender is chosen yet, and Twilio says 0.
        "num_segments": "0"
        if request.messaging_service_sid
        else str(measure_sms(request.body or "").segments),
        "price": None,
        "price_unit": None,
        "sid": sid,
        "status": _first_status(request),
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": prefix + request.to,
        "uri": f"{uri}.json",
    }


def current_resource(created: Mapping[str, Any], reports: Sequence[Report]) -> dict[str, Any]:
    """Return the resource as a fetch shows it: with what became of the message since it was created."""
    if len(reports) < 2:
        return dict(created)
    last = reports[-1]
    left = next((report.at for report in reports if report.status == "sent"), None)
    return {
        **created,
        "status": last.status,
        "date_updated": format_datetime(last.at),
        "date_sent": format_datetime(left) if left else None,
        "error_code": last.error_code,
        "error_message": last.words,
    }


def _first_status(request: SendRequest) -> str:
    if request.scheduled:
        return "scheduled"
    return "accepted" if request.messaging_service_sid else "queued"
