"""The Twilio endpoint: creates and fetches messages as api.twilio.com does, and delivers them to the mailbox."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import structlog
from aiohttp import web

from services.dev.inbox.callbacks import StatusCallbacks, Step
from services.dev.inbox.failures import CallbackStatus, Drop, Failures, HttpError, Struck
from services.dev.inbox.links import find_links
from services.dev.inbox.mailbox import CaughtMessage, Mailbox, Template
from services.dev.inbox.statuses import FAILED_CODE, UNDELIVERED_CODE, Report, words_of
from services.dev.inbox.twilio_auth import TwilioAccount, authenticate
from services.dev.inbox.twilio_contract import Form, unknown_parameters
from services.dev.inbox.twilio_resource import current_resource, message_resource, message_text, new_sid
from services.dev.inbox.twilio_rules import SendRequest, TwilioRefusedError, check

_log = structlog.get_logger()

MAX_FIELDS = 200
# Twilio's own codes of answers that name no other.
_CODES = {429: 20429, 500: 20500, 503: 20503}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an endpoint delivers with: where messages go, what is to fail, and who reports on them."""

    mailbox: Mailbox
    failures: Failures
    callbacks: StatusCallbacks
    now: Callable[[], datetime]


class TwilioEndpoint:
    """Handlers of `/2010-04-01/Accounts/{AccountSid}/Messages`. Without an account every call is a 401."""

    def __init__(self, delivery: Delivery, account: TwilioAccount | None) -> None:
        self._delivery = delivery
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        base = "/2010-04-01/Accounts/{account_sid}/Messages"
        return [web.post(f"{base}.json", self.create), web.get(f"{base}/{{sid}}.json", self.fetch)]

    async def create(self, request: web.Request) -> web.Response:
        try:
            account = self._authenticate(request)
            source = await request.read()
            form = _read_form(request.content_type, source)
            sent = check(form)
            struck = self._delivery.failures.strike(sent.channel, sent.to)
            await asyncio.sleep(struck.delay_seconds)
            if isinstance(struck.failure, HttpError):
                return _failed(struck.failure)
            message = self._catch(sent, account, form, source, struck)
        except TwilioRefusedError as refusal:
            return _refused(refusal)
        self._delivery.callbacks.begin(message, steps_of(message, struck))
        if isinstance(struck.failure, Drop) and request.transport is not None:
            request.transport.abort()  # whatever is written now reaches nobody
        return web.json_response(message.resource, status=201)

    async def fetch(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            resource = self._resource(request)
        except TwilioRefusedError as refusal:
            return _refused(refusal)
        return web.json_response(resource)

    def _resource(self, request: web.Request) -> dict[str, Any]:
        message = self._delivery.mailbox.get(request.match_info["sid"])
        if message is None or message.resource is None:
            raise TwilioRefusedError(
                20404, f"The requested resource {request.path} was not found", status=404
            )
        return current_resource(message.resource, message.reports)

    def _authenticate(self, request: web.Request) -> TwilioAccount:
        return authenticate(
            self._account, request.match_info["account_sid"], request.headers.get("Authorization")
        )

    def _catch(
        self, sent: SendRequest, account: TwilioAccount, form: Form, source: bytes, struck: Struck
    ) -> CaughtMessage:
        unknown = unknown_parameters(form)
        if unknown:
            _log.warning("twilio_parameters_unknown", names=unknown[:10], code=20001)
        now = self._delivery.now()
        sid = new_sid(sent)
        text = message_text(sent)
        dropped = isinstance(struck.failure, Drop)
        message = CaughtMessage(
            id=sid,
            channel=sent.channel,
            to=sent.to,
            sender=sent.sender or sent.messaging_service_sid or "",
            subject=None,
            text=text,
            html=None,
            links=find_links(text, None),
            received_at=now,
            headers=tuple((name, value) for name, values in form.items() for value in values),
            source=source,
            resource=message_resource(sent, account.sid, sid, now),
            callback_url=sent.status_callback,
            template=Template(sent.content_sid, sent.content_variables) if sent.content_sid else None,
            reports=() if sent.scheduled else (Report("queued", now),),
            note="the connection was dropped instead of an answer" if dropped else None,
        )
        self._delivery.mailbox.add(message)
        _log.info("message_caught", channel=sent.channel, message_id=sid)
        return message


def steps_of(message: CaughtMessage, struck: Struck) -> Sequence[Step]:
    """Return the statuses that a message goes through; one that is scheduled stays so."""
    if not message.reports:
        return ()
    match struck.failure:
        case CallbackStatus(status="failed", error_code=code):
            return (Step("queued"), Step("failed", code or FAILED_CODE))
        case CallbackStatus(error_code=code):
            return (Step("queued"), Step("sent"), Step("undelivered", code or UNDELIVERED_CODE))
    steps = (Step("queued"), Step("sent"), Step("delivered"))
    return (*steps, Step("read")) if message.channel == "whatsapp" else steps


def _read_form(content_type: str, source: bytes) -> Form:
    """The form's fields. Another content type has none, so that its answer is "A 'To' phone number is required", as Twilio's."""
    if content_type != "application/x-www-form-urlencoded":
        return {}
    try:
        return parse_qs(source.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:  # not UTF-8, or too many fields
        raise TwilioRefusedError(400, "The request body is not a valid form.") from None


def _failed(failure: HttpError) -> web.Response:
    code = failure.error_code or _CODES.get(failure.status, 20000 + failure.status)
    answer = _refused(TwilioRefusedError(code, words_of(code), status=failure.status))
    if failure.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(failure.retry_after_seconds)
    return answer


def _refused(refusal: TwilioRefusedError) -> web.Response:
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if refusal.status == 401 else {}
    return web.json_response(body, status=refusal.status, headers=headers)
