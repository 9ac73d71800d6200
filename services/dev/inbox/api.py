"""The JSON API of the inbox (DESIGN section 8), and the health routes."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from services.dev.inbox.mailbox import CHANNELS, CaughtMessage, Filter, Mailbox
from services.dev.inbox.problem import problem
from services.dev.inbox.rendering import passcode_of
from services.dev.inbox.statuses import Report
from services.notifier.segments import measure_sms


class Api:
    """Handlers of `/api/messages`, `/livez` and `/readyz`. Open to all on this machine, as everything in the inbox."""

    def __init__(self, mailbox: Mailbox, smtp_serving: Callable[[], bool]) -> None:
        self._mailbox = mailbox
        self._smtp_serving = smtp_serving

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/messages", self.list_messages),
            web.get("/api/messages/{id}", self.show_message),
            web.delete("/api/messages", self.delete_messages),
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
        ]

    async def list_messages(self, request: web.Request) -> web.Response:
        """`?to=&channel=&q=`, newest first."""
        channel = next((known for known in CHANNELS if known == request.query.get("channel")), None)
        if channel is None and request.query.get("channel"):
            return problem(400, "channel_unknown", f"channel is one of {', '.join(CHANNELS)}")
        words = request.query.get("q", "").strip() or None
        wanted = Filter(to=request.query.get("to") or None, channel=channel, words=words)
        return web.json_response([summary(message) for message in self._mailbox.newest_first(wanted)])

    async def show_message(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return problem(
                404, "message_unknown", "no such message, or it was deleted or pushed out by newer ones"
            )
        return web.json_response(details(message))

    async def delete_messages(self, _request: web.Request) -> web.Response:
        self._mailbox.clear()
        return web.Response(status=204)

    async def livez(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def readyz(self, _request: web.Request) -> web.Response:
        smtp = self._smtp_serving()
        body = {
            "status": "ready" if smtp else "not_ready",
            "checks": {"smtp": "ok" if smtp else "not listening"},
        }
        return web.json_response(body, status=200 if smtp else 503)


def summary(message: CaughtMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "channel": message.channel,
        "to": message.to,
        "from": message.sender,
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "links": list(message.links),
        "received_at": message.received_at.isoformat(),
    }


def details(message: CaughtMessage) -> dict[str, Any]:
    """The summary, `headers` as pairs (a name may come twice), the raw `source` as text, and what became of it."""
    size = measure_sms(message.text) if message.channel == "sms" else None
    return {
        **summary(message),
        "headers": [list(pair) for pair in message.headers],
        "source": message.source.decode("utf-8", "replace"),
        "unread": message.unread,
        "passcode": passcode_of(message),
        "segments": size and size.segments,
        "encoding": size and size.encoding,
        "template": _template(message),
        "status": message.status,
        "reports": [_report(report) for report in message.reports],
        "note": message.note,
    }


def _template(message: CaughtMessage) -> dict[str, Any] | None:
    template = message.template
    if template is None:
        return None
    return {"content_sid": template.content_sid, "variables": dict(template.variables)}


def _report(report: Report) -> dict[str, Any]:
    return {
        "status": report.status,
        "at": report.at.isoformat(),
        "error_code": report.error_code,
        "callback": report.answer,
    }
