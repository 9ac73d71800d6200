"""Status callbacks: Twilio's order, Twilio's signature, tried again, by hand, and to this machine only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from twilio.request_validator import RequestValidator

from services.dev.inbox import InboxOptions, start
from tests.integration.inbox.callback_receiver import Receiver, receiver
from tests.integration.inbox.inbox_client import ACCOUNT, InboxClient

SMS = {"To": "+14155550100", "From": "+15005550006", "Body": "hello"}
WHATSAPP = {"To": "whatsapp:+14155550100", "From": "whatsapp:+14155238886", "Body": "hello"}


@asynccontextmanager
async def paced(seconds: float) -> AsyncIterator[InboxClient]:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0, twilio=ACCOUNT, status_pace_seconds=seconds))
    async with aiohttp.ClientSession(inbox.url) as http:
        yield InboxClient(inbox, http)
    await inbox.close()


@pytest_asyncio.fixture
async def quick() -> AsyncIterator[InboxClient]:
    async with paced(0.01) as client:
        yield client


@pytest_asyncio.fixture
async def called() -> AsyncIterator[Receiver]:
    async with receiver() as receiving:
        yield receiving


async def message_of(client: InboxClient, sid: str) -> Any:
    return await client.get_json(f"/api/messages/{sid}")


async def until_status(client: InboxClient, sid: str, status: str) -> Any:
    async with asyncio.timeout(15):
        while (message := await message_of(client, sid))["status"] != status:
            await asyncio.sleep(0.01)
    return message


@pytest.mark.parametrize(
    ("fields", "statuses"),
    [(SMS, ["queued", "sent", "delivered"]), (WHATSAPP, ["queued", "sent", "delivered", "read"])],
    ids=["sms", "whatsapp"],
)
async def test_callbacks_come_in_twilios_order_with_twilios_signature(
    quick: InboxClient, called: Receiver, fields: dict[str, str], statuses: list[str]
) -> None:
    _, resource = await quick.send_twilio(**fields, StatusCallback=called.url)
    await called.until(len(statuses))
    assert called.statuses == statuses
    for url, form, signature in called.calls:
        assert url == called.url
        assert RequestValidator(ACCOUNT.auth_token).validate(url, form, signature)
        assert not RequestValidator("another token").validate(url, form, signature)
        assert (form["MessageSid"], form["To"], form["AccountSid"]) == (
            resource["sid"],
            fields["To"],
            ACCOUNT.sid,
        )
        assert "ErrorCode" not in form
    message = await until_status(quick, resource["sid"], statuses[-1])
    assert [report["status"] for report in message["reports"]] == statuses


async def test_a_fetched_message_says_what_became_of_it(quick: InboxClient) -> None:
    _, resource = await quick.send_twilio(**SMS)
    await until_status(quick, resource["sid"], "delivered")
    async with quick.http.get(resource["uri"], headers=quick.credentials) as answer:
        fetched = await answer.json()
    assert (fetched["status"], fetched["error_code"]) == ("delivered", None)
    assert fetched["date_sent"] is not None


async def test_a_callback_that_is_not_taken_is_tried_again(
    quick: InboxClient, called: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.dev.inbox.callbacks.RETRY_AFTER_SECONDS", (0.01, 0.01, 0.01))
    called.answers = [503, 429, 204, 403]
    _, resource = await quick.send_twilio(**SMS, StatusCallback=called.url)
    await called.until(5)
    assert called.statuses == ["queued", "queued", "queued", "sent", "delivered"]
    await until_status(quick, resource["sid"], "delivered")
    await asyncio.sleep(0.05)
    message = await message_of(quick, resource["sid"])
    assert [r["callback"] for r in message["reports"]] == ["HTTP 204", "HTTP 403", "HTTP 204"]


async def test_a_status_by_hand_ends_what_was_to_come(called: Receiver) -> None:
    async with paced(0.5) as client:
        _, resource = await client.send_twilio(**SMS, StatusCallback=called.url)
        path = f"/api/messages/{resource['sid']}/status"
        async with client.http.post(path, json={"status": "undelivered", "error_code": 30007}) as answer:
            assert answer.status == 202
        await called.until(1)
        await asyncio.sleep(2)
    assert called.statuses == ["undelivered"]
    (_, form, _) = called.calls[0]
    assert (form["MessageStatus"], form["ErrorCode"], form["ErrorMessage"]) == (
        "undelivered", "30007", "Message filtered",
    )  # fmt: skip


async def test_the_buttons_of_the_page_report_a_status(client: InboxClient, called: Receiver) -> None:
    _, resource = await client.send_twilio(**SMS, StatusCallback=called.url)
    path = f"/messages/{resource['sid']}/status"
    async with client.http.post(path, data={"status": "failed", "error_code": ""}) as answer:
        assert (answer.status, answer.url.path) == (200, f"/conversations/sms/{SMS['To']}")
    await called.until(1)
    assert called.calls[0][1]["ErrorCode"] == "30008"


async def test_a_status_that_cannot_be_is_refused_by_name(client: InboxClient) -> None:
    _, resource = await client.send_twilio(**SMS)
    await client.send_mail("hello")
    (mail, _) = await client.get_json("/api/messages")
    for message_id, body, status, words in (
        (resource["sid"], {"status": "eaten", "error_code": 1}, 422, ["status", "error_code"]),
        (resource["sid"], {"status": "read"}, 409, []),
        (mail["id"], {"status": "delivered"}, 409, []),
        ("x", {"status": "delivered"}, 404, []),
    ):
        async with client.http.post(f"/api/messages/{message_id}/status", json=body) as answer:
            assert answer.status == status
            assert [e["field"] for e in (await answer.json()).get("errors", [])] == words


async def test_a_callback_to_another_machine_is_not_made(quick: InboxClient) -> None:
    _, resource = await quick.send_twilio(**SMS, StatusCallback="http://192.0.2.1/callbacks")
    message = await until_status(quick, resource["sid"], "delivered")
    assert message["reports"][0]["callback"] == "not called: not on this machine"


async def test_no_redirect_is_followed(quick: InboxClient, called: Receiver) -> None:
    called.answers = [307, 307, 307]
    await quick.send_twilio(**SMS, StatusCallback=called.url)
    await called.until(3)
    assert called.statuses == ["queued", "sent", "delivered"]


async def test_a_message_that_newer_ones_pushed_out_is_reported_all_the_same(called: Receiver) -> None:
    async with paced(0.2) as client:
        client.inbox.mailbox._capacity = 1
        for _ in range(3):
            await client.send_twilio(**SMS, StatusCallback=called.url)
        assert len(await client.get_json("/api/messages")) == 1
        await called.until(9)
    assert sorted(called.statuses) == ["delivered"] * 3 + ["queued"] * 3 + ["sent"] * 3
