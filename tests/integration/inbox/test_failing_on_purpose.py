"""Failures that were asked for, as the notifier's own channels meet them, and what the API says of them."""

import asyncio
from email import message_from_string, policy
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from tests.integration.inbox.callback_receiver import receiver
from tests.integration.inbox.inbox_client import InboxClient

SMS = {"To": "+14155550100", "From": "+15005550006", "Body": "hello"}


async def fail(client: InboxClient, *rules: dict[str, Any]) -> None:
    async with client.http.put("/api/failures", json={"rules": rules}) as answer:
        assert answer.status == 200, await answer.text()


async def test_rules_are_shown_struck_used_up_and_cleared(client: InboxClient) -> None:
    await fail(
        client, {"kind": "smtp_reply", "code": 451, "times": 2}, {"kind": "bounce", "to": "b@example.com"}
    )
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await client.send_mail("hello")
    shown = await client.get_json("/api/failures")
    assert [(rule["kind"], rule["hits"], rule["left"]) for rule in shown["rules"]] == [
        ("smtp_reply", 1, 1), ("bounce", 0, None),
    ]  # fmt: skip
    assert "bounce@simulator.example" in {known["to"] for known in shown["simulator"]}
    async with client.http.delete("/api/failures") as answer:
        assert answer.status == 204
    assert (await client.get_json("/api/failures"))["rules"] == []
    await client.send_mail("hello")


async def test_a_wrong_rule_is_a_422_that_names_every_field_and_changes_nothing(client: InboxClient) -> None:
    await fail(client, {"kind": "drop"})
    body = {"rules": [{"kind": "smtp_reply", "code": 250, "times": 0}, {"kind": "delay"}]}
    async with client.http.put("/api/failures", json=body) as answer:
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        fields = [error["field"] for error in (await answer.json())["errors"]]
    assert sorted(fields) == ["rules.0.code", "rules.0.times", "rules.1.seconds"]
    async with client.http.put("/api/failures", data=b"{") as answer:
        assert answer.status == 400
    assert [rule["kind"] for rule in (await client.get_json("/api/failures"))["rules"]] == ["drop"]


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_a_mail_is_refused_where_and_how_it_was_asked(client: InboxClient, at: str) -> None:
    rule = {"kind": "smtp_reply", "at": at, "code": 554, "enhanced_code": "5.7.1", "text": "spam"}
    await fail(client, rule)
    with pytest.raises((aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPDataError)) as refused:
        await client.send_mail("hello")
    refusal: Any = refused.value
    if at == "rcpt":
        (refusal,) = refusal.recipients
    assert (refusal.code, refusal.message) == (554, "5.7.1 spam")
    assert await client.get_json("/api/messages") == []


async def test_a_dropped_connection_leaves_a_caught_mail_and_no_answer(client: InboxClient) -> None:
    await fail(client, {"kind": "drop", "times": 1})
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.send_mail("hello")
    (message,) = await client.get_json("/api/messages")
    assert "dropped" in (await client.get_json(f"/api/messages/{message['id']}"))["note"]
    await client.send_mail("again")


async def test_a_bounce_is_taken_and_a_notification_follows(client: InboxClient) -> None:
    await client.send_mail("hello", to="bounce+x@simulator.example")
    notification, bounced = await client.get_json("/api/messages")
    assert (bounced["to"], notification["to"]) == ("bounce+x@simulator.example", "login@demo.example")
    assert (await client.get_json(f"/api/messages/{bounced['id']}"))["status"] == "bounced"
    source = (await client.get_json(f"/api/messages/{notification['id']}"))["source"]
    parsed = message_from_string(source, policy=policy.default)
    assert parsed.get_content_type() == "multipart/report"
    _, status, original = parsed.iter_parts()
    assert [part["Action"] for part in status.iter_parts()] == [None, "failed"]
    assert "<0190@demo.example>" in original.get_content()


async def test_a_slow_answer_is_slow_for_its_recipients_only(client: InboxClient) -> None:
    await fail(client, {"kind": "delay", "seconds": 4, "to": "slow@example.com"})
    slow = asyncio.create_task(client.send_mail("hello", to="slow@example.com"))
    await client.send_mail("hello")
    assert [message["to"] for message in await client.get_json("/api/messages")] == ["ada@example.com"]
    await slow
    assert len(await client.get_json("/api/messages")) == 2


@pytest.mark.parametrize(
    ("rule", "status", "code", "retry_after"),
    [
        ({"status": 429, "retry_after_seconds": 7}, 429, 20429, "7"),
        ({"status": 503}, 503, 20503, None),
        ({"status": 400, "error_code": 21610}, 400, 21610, None),
    ],
)
async def test_twilios_errors_come_in_twilios_form(
    client: InboxClient, rule: dict[str, Any], status: int, code: int, retry_after: str | None
) -> None:
    await fail(client, {"kind": "http_error", **rule})
    async with client.http.post(client.messages_path, data=SMS, headers=client.credentials) as answer:
        body = await answer.json()
        assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)
    assert set(body) == {"code", "message", "more_info", "status"}
    assert (body["code"], body["status"]) == (code, status)
    assert await client.get_json("/api/messages") == []


async def test_a_dropped_answer_leaves_a_message_whose_callback_still_comes(client: InboxClient) -> None:
    await fail(client, {"kind": "drop"})
    async with receiver() as called:
        with pytest.raises(aiohttp.ClientError):
            await client.send_twilio(**SMS, StatusCallback=called.url)
        (message,) = await client.get_json("/api/messages")
        async with client.http.post(f"/api/messages/{message['id']}/status", json={"status": "delivered"}):
            await called.until(1)
    assert called.statuses == ["delivered"]


async def test_the_page_adds_and_removes_rules_and_says_what_is_wrong(client: InboxClient) -> None:
    form = {"what": "mail-unknown", "to": "*@example.com", "times": "3"}
    async with client.http.post("/failures", data=form) as answer:
        assert "550" in await answer.text()
    (rule,) = (await client.get_json("/api/failures"))["rules"]
    assert (rule["code"], rule["to"], rule["left"]) == (550, "*@example.com", 3)
    async with client.http.post("/failures", data={**form, "times": "often"}) as answer:
        assert answer.status == 422
        assert 'id="times-problem"' in await answer.text()
    async with client.http.post("/failures", data={"what": "coffee"}) as answer:
        assert (answer.status, 'id="what-problem"' in await answer.text()) == (422, True)
    async with client.http.post(f"/failures/{rule['id']}/remove") as answer:
        assert answer.status == 200
    assert (await client.get_json("/api/failures"))["rules"] == []
