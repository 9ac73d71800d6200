import asyncio
import logging

import aiosmtplib
import pytest

from services.dev.inbox import InboxOptions, start
from tests.integration.inbox.inbox_client import InboxClient


async def test_a_caught_mail_stands_in_the_api_with_its_links(client: InboxClient) -> None:
    await client.send_mail("Open\nhttps://a.example/l/k1\n", '<a href="https://a.example/other">x</a>')

    (message,) = await client.get_json("/api/messages")

    assert set(message) == {"id", "channel", "to", "from", "subject", "text", "html", "links", "received_at"}
    assert (message["channel"], message["to"], message["subject"]) == ("email", "ada@example.com", "Sign in")
    assert message["from"] == "Demo <login@demo.example>"
    assert message["links"] == ["https://a.example/l/k1", "https://a.example/other"]
    assert message["received_at"].endswith("+00:00")


async def test_a_single_message_adds_headers_and_source(client: InboxClient) -> None:
    await client.send_mail("hello")
    (listed,) = await client.get_json("/api/messages")
    message = await client.get_json(f"/api/messages/{listed['id']}")
    assert dict(message["headers"])["Message-ID"] == "<0190@demo.example>"
    assert "Message-ID: <0190@demo.example>" in message["source"]
    assert {**message, **listed} == message
    assert (message["unread"], message["passcode"], message["status"]) == (True, None, None)


async def test_each_recipient_gets_the_mail(client: InboxClient) -> None:
    smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=client.inbox.smtp_port)
    async with smtp:
        await smtp.sendmail("login@demo.example", ["a@example.com", "b@example.com"], "Subject: x\r\n\r\nhi")
    assert [m["to"] for m in await client.get_json("/api/messages")] == ["b@example.com", "a@example.com"]
    assert [m["to"] for m in await client.get_json("/api/messages?to=A@example.com")] == ["a@example.com"]


async def test_a_mail_over_one_megabyte_is_refused_and_not_kept(client: InboxClient) -> None:
    with pytest.raises(aiosmtplib.SMTPException) as refused:
        await client.send_mail("0123456789\n" * 110_000)
    assert "552" in str(refused.value)
    assert await client.get_json("/api/messages") == []


async def test_a_mail_with_an_international_address_is_caught(client: InboxClient) -> None:
    await client.send_mail("hello", to="jürgen@example.com")
    assert [m["to"] for m in await client.get_json("/api/messages")] == ["jürgen@example.com"]


async def test_no_part_of_a_mail_reaches_the_log(
    client: InboxClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.send_mail("a-usable-secret")
    assert "a-usable-secret" not in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_closing_hangs_up_on_open_connections() -> None:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0))
    smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.smtp_port)
    await smtp.connect()
    async with asyncio.timeout(3):
        await inbox.close()
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await smtp.noop()
    smtp.close()


async def test_a_taken_port_fails_and_leaves_nothing_open(client: InboxClient) -> None:
    with pytest.raises(OSError, match="in use"):
        await start(InboxOptions(http_port=client.inbox.http_port, smtp_port=0))
    with pytest.raises(OSError, match="in use"):
        await start(InboxOptions(http_port=0, smtp_port=client.inbox.smtp_port))
