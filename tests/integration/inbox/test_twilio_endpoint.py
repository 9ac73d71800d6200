from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from jsonschema import Draft4Validator, FormatChecker
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from services.dev.inbox import InboxOptions, start
from services.dev.inbox.twilio_contract import MESSAGES_PATH, json_schema, specification
from tests.integration.inbox.inbox_client import InboxClient

SMS = {"To": "+14155550100", "From": "+15005550006", "Body": "Sign in: https://a.example/l/k1"}
CONTENT = "HX" + "b" * 32


def assert_is_twilios_message(resource: Any) -> None:
    answer = specification()["paths"][MESSAGES_PATH]["post"]["responses"]["201"]["content"][
        "application/json"
    ]
    schema = json_schema(answer["schema"])
    formats = FormatChecker(formats=())
    formats.checks("date-time-rfc-2822", raises=ValueError)(
        lambda value: value is None or bool(parsedate_to_datetime(value))
    )
    Draft4Validator(schema, format_checker=formats).validate(resource)
    properties = specification()["components"]["schemas"]["api.v2010.account.message"]["properties"]
    assert set(resource) == set(properties)


async def test_an_sms_is_answered_as_twilio_answers_and_stands_in_the_inbox(client: InboxClient) -> None:
    status, resource = await client.send_twilio(**SMS)
    assert status == 201
    assert_is_twilios_message(resource)
    assert (resource["status"], resource["num_segments"], resource["to"]) == ("queued", "1", SMS["To"])

    (message,) = await client.get_json("/api/messages")
    assert (message["channel"], message["to"], message["from"]) == ("sms", SMS["To"], SMS["From"])
    assert (message["subject"], message["html"], message["links"]) == (None, None, ["https://a.example/l/k1"])


async def test_a_whatsapp_template_is_answered_and_shown_with_its_variables(client: InboxClient) -> None:
    status, resource = await client.send_twilio(
        To="whatsapp:+14155550100",
        From="whatsapp:+14155238886",
        ContentSid=CONTENT,
        ContentVariables='{"1": "https://a.example/l/k1"}',
    )
    assert status == 201
    assert_is_twilios_message(resource)
    assert (resource["to"], resource["from"]) == ("whatsapp:+14155550100", "whatsapp:+14155238886")
    (message,) = await client.get_json("/api/messages")
    assert (message["channel"], message["to"]) == ("whatsapp", "+14155550100")
    assert message["text"] == f"Content template {CONTENT}\n1: https://a.example/l/k1"
    assert message["links"] == ["https://a.example/l/k1"]


async def test_a_messaging_service_may_stand_for_the_sender(client: InboxClient) -> None:
    service = "MG" + "a" * 32
    status, resource = await client.send_twilio(To=SMS["To"], Body="hello", MessagingServiceSid=service)
    assert status == 201
    assert_is_twilios_message(resource)
    assert (resource["from"], resource["messaging_service_sid"], resource["status"]) == (
        None,
        service,
        "accepted",
    )


async def test_a_sent_message_can_be_fetched_and_another_cannot(client: InboxClient) -> None:
    _, resource = await client.send_twilio(**SMS)
    async with client.http.get(resource["uri"], headers=client.credentials) as answer:
        assert await answer.json() == resource
    async with client.http.get(resource["uri"]) as answer:
        assert answer.status == 401
    async with client.http.get(
        resource["uri"].replace(resource["sid"], "SM" + "0" * 32), headers=client.credentials
    ) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, 20404)


async def test_a_refusal_has_twilios_form_and_catches_nothing(client: InboxClient) -> None:
    status, body = await client.send_twilio(From=SMS["From"], Body="hello")
    assert status == 400
    assert body == {
        "code": 21604,
        "message": "A 'To' phone number is required.",
        "more_info": "https://www.twilio.com/docs/errors/21604",
        "status": 400,
    }
    assert await client.get_json("/api/messages") == []


@pytest.mark.parametrize("pair", [None, ("AC" + "0" * 32, "a-dev-token"), ("x", "y")])
async def test_wrong_credentials_are_a_401(client: InboxClient, pair: tuple[str, str] | None) -> None:
    headers = {"Authorization": aiohttp.encode_basic_auth(*pair)} if pair else {}
    async with client.http.post(client.messages_path, data=SMS, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, 20003)
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert await client.get_json("/api/messages") == []


async def test_an_inbox_without_an_account_refuses_every_call() -> None:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0))
    try:
        path = f"{inbox.url}/2010-04-01/Accounts/{'AC' + '0' * 32}/Messages.json"
        async with (
            aiohttp.ClientSession() as http,
            http.post(path, data=SMS, headers={"Authorization": aiohttp.encode_basic_auth("", "")}) as answer,
        ):
            assert answer.status == 401
    finally:
        await inbox.close()


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_body_of_another_type_is_a_form_without_a_recipient(
    client: InboxClient, content_type: str
) -> None:
    headers = {**client.credentials, "Content-Type": content_type}
    body = b"To=%2B14155550100&From=%2B15005550006&Body=hello"
    async with client.http.post(client.messages_path, data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 21604)


async def test_a_form_that_is_too_wide_or_too_long_is_refused(client: InboxClient) -> None:
    status, _ = await client.send_twilio(**{f"f{number}": "x" for number in range(300)})
    assert status == 400
    headers = {**client.credentials, "Content-Type": "application/x-www-form-urlencoded"}
    body = BytesIO(b"Body=" + b"x" * 1_100_000)
    async with client.http.post(client.messages_path, data=body, headers=headers) as answer:
        assert answer.status == 413


class LocalTwilio(AsyncTwilioHttpClient):  # type: ignore[misc]
    """Twilio's own client with another origin; it asks aiohttp for basic auth in a way that aiohttp has deprecated."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    async def request(self, method: str, url: str, **rest: Any) -> Any:
        headers = {**rest.pop("headers"), "Authorization": aiohttp.encode_basic_auth(*rest.pop("auth"))}
        return await super().request(method, self._origin + urlsplit(url).path, headers=headers, **rest)


async def test_twilios_own_client_understands_answers_and_refusals(client: InboxClient) -> None:
    async with LocalTwilio(client.inbox.url) as http:
        twilio = Client(client.account.sid, client.account.auth_token, http_client=http)
        sent = await twilio.messages.create_async(
            to=SMS["To"],
            from_=SMS["From"],
            body=SMS["Body"],
            status_callback="http://127.0.0.1:8003/callbacks/twilio",
        )
        assert (sent.status, sent.to, sent.body) == ("queued", SMS["To"], SMS["Body"])
        fetched = await twilio.messages(sent.sid).fetch_async()
        assert (fetched.sid, fetched.date_created) == (sent.sid, sent.date_created)
        with pytest.raises(TwilioRestException) as refused:
            await twilio.messages.create_async(to="+1", from_=SMS["From"], body="hello")
        assert (refused.value.status, refused.value.code) == (400, 21211)
