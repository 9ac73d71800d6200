"""The Twilio endpoint: creates and fetches messages as api.twilio.com does, and delivers them to the mailbox."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import structlog
from aiohttp import web

from services.dev.inbox.links import find_links
from services.dev.inbox.mailbox import CaughtMessage, Mailbox
from services.dev.inbox.twilio_auth import TwilioAccount, authenticate
from services.dev.inbox.twilio_contract import Form, unknown_parameters
from services.dev.inbox.twilio_resource import message_resource, message_text, new_sid
from services.dev.inbox.twilio_rules import SendRequest, TwilioRefusedError, check

_log = structlog.get_logger()

MAX_FIELDS = 200


class TwilioEndpoint:
    """Handlers of `/2010-04-01/Accounts/{AccountSid}/Messages`. Without an account every call is a 401."""

    def __init__(self, mailbox: Mailbox, account: TwilioAccount | None, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._account = account
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        base = "/2010-04-01/Accounts/{account_sid}/Messages"
        return [web.post(f"{base}.json", self.create), web.get(f"{base}/{{sid}}.json", self.fetch)]

    async def create(self, request: web.Request) -> web.Response:
        try:
            account = self._authenticate(request)
            source = await request.read()
            form = _read_form(request.content_type, source)
            resource = self._catch(check(form), account, form, source)
        except TwilioRefusedError as refusal:
            return _refused(refusal)
        return web.json_response(resource, status=201)

    async def fetch(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            resource = self._resource(request)
        except TwilioRefusedError as refusal:
            return _refused(refusal)
        return web.json_response(resource)

    def _resource(self, request: web.Request) -> Mapping[str, Any]:
        message = self._mailbox.get(request.match_info["sid"])
        if message is None or message.resource is None:
            raise TwilioRefusedError(
                20404, f"The requested resource {request.path} was not found", status=404
            )
        return message.resource

    def _authenticate(self, request: web.Request) -> TwilioAccount:
        return authenticate(
            self._account, request.match_info["account_sid"], request.headers.get("Authorization")
        )

    def _catch(self, sent: SendRequest, account: TwilioAccount, form: Form, source: bytes) -> dict[str, Any]:
        unknown = unknown_parameters(form)
        if unknown:
            _log.warning("twilio_parameters_unknown", names=unknown[:10], code=20001)
        now = self._now()
        sid = new_sid(sent)
        resource = message_resource(sent, account.sid, sid, now)
        text = message_text(sent)
        self._mailbox.add(
            CaughtMessage(
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
                resource=resource,
            )
        )
        _log.info("message_caught", channel=sent.channel, message_id=sid)
        return resource


def _read_form(content_type: str, source: bytes) -> Form:
    """The form's fields. Another content type has none, so that its answer is "A 'To' phone number is required", as Twilio's."""
    if content_type != "application/x-www-form-urlencoded":
        return {}
    try:
        return parse_qs(source.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:  # not UTF-8, or too many fields
        raise TwilioRefusedError(400, "The request body is not a valid form.") from None


def _refused(refusal: TwilioRefusedError) -> web.Response:
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if refusal.status == 401 else {}
    return web.json_response(body, status=refusal.status, headers=headers)
