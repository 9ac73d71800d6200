"""The JSON API of the inbox (DESIGN section 8), and the health routes."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from services.dev.inbox.mailbox import CHANNELS, CaughtMessage, Filter, Mailbox


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
        """`?to=&channel=`, newest first."""
        channel = next((known for known in CHANNELS if known == request.query.get("channel")), None)
        if channel is None and request.query.get("channel"):
            return _problem(400, "channel_unknown", f"channel is one of {', '.join(CHANNELS)}")
        wanted = Filter(to=request.query.get("to") or None, channel=channel)
        return web.json_response([summary(message) for message in self._mailbox.newest_first(wanted)])

    async def show_message(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return _problem(
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
    """The summary, `headers` as pairs (a name may come twice) and the raw `source` as text."""
    return {
        **summary(message),
        "headers": [list(pair) for pair in message.headers],
        "source": message.source.decode("utf-8", "replace"),
    }


def _problem(status: int, code: str, detail: str) -> web.Response:
    body = {
        "type": "about:blank",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": detail,
    }
    return web.json_response(body, status=status, content_type="application/problem+json")
