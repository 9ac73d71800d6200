"""SMS and WhatsApp messages as conversations, one for each number; and statuses that are reported by hand."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.dev.inbox.api import details
from services.dev.inbox.callbacks import StatusCallbacks, Step
from services.dev.inbox.mailbox import CHANNELS, CaughtMessage, Filter, Mailbox
from services.dev.inbox.problem import invalid, problem
from services.dev.inbox.rendering import Renderer, page_of
from services.dev.inbox.statuses import FAILED_CODE, UNDELIVERED_CODE, Reportable

_DEFAULT_CODES: Mapping[str, int] = {"undelivered": UNDELIVERED_CODE, "failed": FAILED_CODE}


class StatusRequest(BaseModel):
    """The body of `POST /api/messages/{id}/status`. `error_code` counts for `undelivered` and `failed` only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Reportable
    error_code: Annotated[int, Field(ge=10_000, le=99_999)] | None = None

    def step(self) -> Step:
        default = _DEFAULT_CODES.get(self.status)
        return Step(self.status, default and (self.error_code or default))


class Conversations:
    """Handlers of `/conversations/{channel}/{number}` and of statuses by hand, from the page and from the API."""

    def __init__(self, mailbox: Mailbox, callbacks: StatusCallbacks, renderer: Renderer) -> None:
        self._mailbox = mailbox
        self._callbacks = callbacks
        self._renderer = renderer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/conversations/{channel}/{number}", self.show),
            web.post("/messages/{id}/status", self.report_from_page),
            web.post("/api/messages/{id}/status", self.report),
        ]

    async def show(self, request: web.Request) -> web.Response:
        channel = next((known for known in CHANNELS if known == request.match_info["channel"]), None)
        number = request.match_info["number"]
        messages = self._mailbox.newest_first(Filter(to=number, channel=channel))
        if channel in {None, "email"} or not messages:
            return self._renderer.page("unknown.html", status=404)
        self._mailbox.note_reading(*(message.id for message in messages))
        return self._renderer.page(
            "conversation.html", messages=messages[::-1], number=number, channel=channel, active=channel
        )

    async def report(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return problem(404, "message_unknown", "no such message, or it was deleted")
        try:
            wanted = StatusRequest.model_validate(json.loads(await request.read()))
        except ValidationError as error:
            return invalid(error)
        except (ValueError, RecursionError):
            return problem(400, "malformed", "the body is not JSON")
        if not self._report(message, wanted):
            return problem(409, "status_not_reportable", f"no {wanted.status} for {message.channel}")
        return web.json_response(details(self._mailbox.get(message.id) or message), status=202)

    async def report_from_page(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return self._renderer.page("unknown.html", status=404)
        form: dict[str, Any] = {name: value for name, value in (await request.post()).items() if value}
        try:
            wanted = StatusRequest.model_validate(form)
        except ValidationError as error:
            return invalid(error)
        self._report(message, wanted)
        raise web.HTTPSeeOther(page_of(message))

    def _report(self, message: CaughtMessage, wanted: StatusRequest) -> bool:
        if message.channel == "email" or (wanted.status == "read" and message.channel != "whatsapp"):
            return False
        self._callbacks.report_now(message, wanted.step())
        return True
