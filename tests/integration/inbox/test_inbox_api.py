import pytest

from tests.integration.inbox.inbox_client import InboxClient

SMS = {"To": "+14155550100", "From": "+15005550006", "Body": "hello"}


async def test_messages_are_filtered_by_recipient_and_channel(client: InboxClient) -> None:
    await client.send_mail("hello")
    await client.send_twilio(**SMS)
    await client.send_twilio(To="whatsapp:+14155550100", From="whatsapp:+14155238886", Body="hello")

    async def channels(query: str) -> list[str]:
        return [message["channel"] for message in await client.get_json(f"/api/messages?{query}")]

    assert await channels("") == ["whatsapp", "sms", "email"]
    assert await channels("channel=sms") == ["sms"]
    assert await channels("to=%2B14155550100") == ["whatsapp", "sms"]
    assert await channels("to=%2B14155550100&channel=whatsapp") == ["whatsapp"]
    assert await channels("to=nobody@example.com") == []


async def test_delete_forgets_every_message(client: InboxClient) -> None:
    await client.send_mail("hello")
    async with client.http.delete("/api/messages") as answer:
        assert answer.status == 204
    assert await client.get_json("/api/messages") == []


async def test_an_unknown_message_or_channel_is_a_problem(client: InboxClient) -> None:
    for path, status, code in (
        ("/api/messages/x", 404, "message_unknown"),
        ("/api/messages?channel=fax", 400, "channel_unknown"),
    ):
        async with client.http.get(path) as answer:
            assert (answer.status, answer.content_type) == (status, "application/problem+json")
            assert (await answer.json())["code"] == code


async def test_the_inbox_says_that_it_is_live_and_ready(client: InboxClient) -> None:
    assert (await client.get_json("/livez"))["status"] == "live"
    assert await client.get_json("/readyz") == {"status": "ready", "checks": {"smtp": "ok"}}


async def test_the_inbox_is_not_ready_without_its_smtp_listener(client: InboxClient) -> None:
    await client.inbox.smtp.close()
    async with client.http.get("/readyz") as answer:
        assert answer.status == 503


@pytest.mark.parametrize("path", ["/", "/api/messages", "/messages/x", "/livez", "/no/such/path"])
async def test_a_rebound_name_is_refused_on_every_route(client: InboxClient, path: str) -> None:
    async with client.http.get(path, headers={"Host": f"evil.example:{client.inbox.http_port}"}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("path", ["/", "/api/messages", "/messages/x", "/no/such/path"])
async def test_every_answer_is_locked_down(client: InboxClient, path: str) -> None:
    async with client.http.get(path) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/messages"),
        ("POST", "/clear"),
        ("PUT", "/api/failures"),
        ("DELETE", "/api/failures"),
        ("POST", "/failures"),
        ("POST", "/failures/clear"),
        ("POST", "/failures/x/remove"),
        ("POST", "/messages/x/status"),
        ("POST", "/api/messages/x/status"),
        ("POST", "/no/such/path"),
    ],
)
async def test_another_sites_page_changes_nothing(client: InboxClient, method: str, path: str) -> None:
    await client.send_mail("hello")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
    ):
        async with client.http.request(method, path, headers=headers, json={"rules": []}) as answer:
            assert answer.status == 403
    assert len(await client.get_json("/api/messages")) == 1
