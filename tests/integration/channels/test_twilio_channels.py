"""The two Twilio channels against the dev inbox, which holds them to Twilio's own OpenAPI description."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web

from services.dev.inbox import Inbox, InboxOptions, start
from services.dev.inbox.twilio_auth import TwilioAccount as InboxAccount
from services.dev.inbox.twilio_contract import MESSAGES_PATH, unknown_parameters
from services.notifier.channels.twilio import (
    SmsChannel,
    TwilioAccount,
    TwilioMessages,
    TwilioSender,
    WhatsAppChannel,
)
from services.notifier.content import WhatsAppTemplate
from services.notifier.outcomes import Delivered, TryLater, Undeliverable, Unknown
from tests.integration.channels.messages import CONTENT, LINK, outgoing

SID = "AC" + "0" * 32
SERVICE = "MG" + "1" * 32
SENDER = TwilioSender("+15005550006")
ACCOUNT = TwilioAccount(SID, "s3cret", callback_url="https://notify.example.com", timeout_seconds=5)
TO = "+14155552671"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest_asyncio.fixture
async def inbox() -> AsyncIterator[Inbox]:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0, twilio=InboxAccount(SID, "s3cret")))
    yield inbox
    await inbox.close()


@asynccontextmanager
async def messages_to(url: str, account: TwilioAccount = ACCOUNT) -> AsyncIterator[TwilioMessages]:
    messages = TwilioMessages(replace(account, api_url=url))
    try:
        yield messages
    finally:
        await messages.close()


@asynccontextmanager
async def twilio_that(answer: Answer) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post(MESSAGES_PATH, answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _caught(inbox: Inbox) -> dict[str, list[str]]:
    source = next(iter(inbox.mailbox._messages.values())).source
    fields = parse_qs(source.decode(), keep_blank_values=True, strict_parsing=True)
    assert unknown_parameters(fields) == []
    return fields


async def test_an_sms_arrives_as_twilio_wants_it(inbox: Inbox) -> None:
    async with messages_to(inbox.url) as messages:
        outcome = await SmsChannel(messages, SENDER).send(outgoing(TO, message_id=UUID(int=7)))
    assert isinstance(outcome, Delivered), outcome
    assert outcome.provider == "twilio"
    assert outcome.provider_id.startswith("SM")
    fields = _caught(inbox)
    callback = urlsplit(fields.pop("StatusCallback")[0])
    assert fields == {"To": [TO], "From": ["+15005550006"], "Body": [CONTENT.sms]}
    assert (callback.netloc, callback.path) == ("notify.example.com", "/callbacks/twilio")
    assert parse_qs(callback.query) == {"message_id": [str(UUID(int=7))], "attempt": ["1"]}


async def test_a_messaging_service_and_an_apps_own_sender_are_understood(inbox: Inbox) -> None:
    account = replace(ACCOUNT, callback_url=None)
    async with messages_to(inbox.url, account) as messages:
        channel = SmsChannel(messages, TwilioSender("+15005550006", SERVICE))
        assert isinstance(await channel.send(outgoing(TO)), Delivered)
        assert isinstance(await channel.send(outgoing(TO, sender="Acme")), Delivered)
        assert isinstance(await channel.send(outgoing(TO, sender=SERVICE)), Delivered)
    sent = [parse_qs(message.source.decode()) for message in inbox.mailbox._messages.values()]
    assert [fields.get("MessagingServiceSid") for fields in sent] == [[SERVICE], None, [SERVICE]]
    assert [fields.get("From") for fields in sent] == [None, ["Acme"], None]
    assert all("StatusCallback" not in fields for fields in sent)


async def test_whatsapp_uses_the_approved_template_with_its_variables(inbox: Inbox) -> None:
    template = WhatsAppTemplate("HX" + "2" * 32, {"1": "Acme", "2": LINK, "3": "15 minutes"}, "body")
    message = outgoing(TO, content=replace(CONTENT, whatsapp=template))
    async with messages_to(inbox.url) as messages:
        outcome = await WhatsAppChannel(messages, SENDER).send(message)
    assert isinstance(outcome, Delivered), outcome
    fields = _caught(inbox)
    assert (fields["To"], fields["From"]) == ([f"whatsapp:{TO}"], ["whatsapp:+15005550006"])
    assert fields["ContentSid"] == [template.content_sid]
    assert json.loads(fields["ContentVariables"][0]) == template.variables
    assert "Body" not in fields


async def test_whatsapp_without_an_approved_template_sends_the_body(inbox: Inbox) -> None:
    async with messages_to(inbox.url) as messages:
        await WhatsAppChannel(messages, TwilioSender("whatsapp:+15005550006")).send(outgoing(TO))
    fields = _caught(inbox)
    assert fields["Body"] == [CONTENT.whatsapp.body]
    assert fields["From"] == ["whatsapp:+15005550006"]
    assert "ContentSid" not in fields


async def test_what_twilio_refuses_of_the_recipient_is_final_and_of_us_is_not(inbox: Inbox) -> None:
    async with messages_to(inbox.url) as messages:
        refused = await SmsChannel(messages, SENDER).send(outgoing("+1"))
        assert isinstance(refused, Undeliverable)
        assert refused.reason.startswith("21211: ")
        assert isinstance(await SmsChannel(messages, TwilioSender()).send(outgoing(TO)), TryLater)
        assert isinstance(await SmsChannel(messages, TwilioSender("???")).send(outgoing(TO)), TryLater)
    async with messages_to(inbox.url, replace(ACCOUNT, auth_token="wrong")) as messages:
        outcome = await SmsChannel(messages, SENDER).send(outgoing(TO))
    assert isinstance(outcome, TryLater)
    assert outcome.reason.startswith("20003: ")


async def _throttled(_request: web.Request) -> web.StreamResponse:
    body = {"code": 20429, "message": "Too many requests", "status": 429}
    return web.json_response(body, status=429, headers={"Retry-After": "7"})


async def _broken(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text="<html>")


async def _no_json(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=201, text="<html>")


async def _closes(request: web.Request) -> web.StreamResponse:
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _silent(request: web.Request) -> web.StreamResponse:
    await request.read()
    await asyncio.sleep(3_600)
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (_throttled, TryLater),
        (_broken, Unknown),
        (_no_json, Unknown),
        (_closes, Unknown),
        (_silent, Unknown),
    ],
)
async def test_an_answer_that_is_none_is_unknown_and_a_refusal_is_not(answer: Answer, outcome: type) -> None:
    account = replace(ACCOUNT, timeout_seconds=0.5)
    async with twilio_that(answer) as url, messages_to(url, account) as messages:
        found = await SmsChannel(messages, SENDER).send(outgoing(TO))
    assert type(found) is outcome, found
    if answer is _throttled:
        assert found == TryLater("20429: Too many requests", 7.0)


async def test_a_redirect_gets_neither_the_message_nor_the_credentials() -> None:
    strangers = []

    async def stranger(request: web.Request) -> web.StreamResponse:
        strangers.append(await request.text())
        return web.json_response({"sid": "SM" + "0" * 32, "status": "queued"}, status=201)

    async with twilio_that(stranger) as other_url:

        async def elsewhere(_request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(other_url + MESSAGES_PATH.replace("{AccountSid}", SID))

        async with twilio_that(elsewhere) as url, messages_to(url) as messages:
            assert isinstance(await SmsChannel(messages, SENDER).send(outgoing(TO)), TryLater)
    assert strangers == []


async def test_what_never_connected_is_tried_later() -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        async with messages_to(f"http://127.0.0.1:{taken.getsockname()[1]}") as messages:
            assert isinstance(await SmsChannel(messages, SENDER).send(outgoing(TO)), TryLater)
    async with messages_to("http://nowhere.invalid") as messages:
        assert isinstance(await SmsChannel(messages, SENDER).send(outgoing(TO)), TryLater)


async def test_waiting_for_a_connection_is_not_an_unknown_outcome() -> None:
    account = replace(ACCOUNT, timeout_seconds=0.6, max_connections=1)
    async with twilio_that(_silent) as url, messages_to(url, account) as messages:
        channel = SmsChannel(messages, SENDER)
        outcomes = await asyncio.gather(*(channel.send(outgoing(TO)) for _ in range(3)))
    assert [type(outcome) for outcome in outcomes] == [Unknown, TryLater, TryLater]


async def test_the_link_is_neither_logged_nor_kept(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with messages_to(inbox.url) as messages:
        await SmsChannel(messages, SENDER).send(outgoing(TO))
        http = messages._http
        assert http._test_only_last_request is None
        assert http._test_only_last_response is None
    assert LINK not in caplog.text
    assert "s3cret" not in caplog.text
    assert "twilio" not in {record.name.split(".")[0] for record in caplog.records}


async def test_a_base_url_with_a_path_is_kept() -> None:
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.json_response({"sid": "SM" + "0" * 32, "status": "queued"}, status=201)

    application_path = MESSAGES_PATH.replace("{AccountSid}", SID)
    application = web.Application()
    application.router.add_post("/proxy" + MESSAGES_PATH, answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with messages_to(f"http://127.0.0.1:{runner.addresses[0][1]}/proxy/") as messages:
        assert isinstance(await SmsChannel(messages, SENDER).send(outgoing(TO)), Delivered)
    await runner.cleanup()
    assert seen == ["/proxy" + application_path]
