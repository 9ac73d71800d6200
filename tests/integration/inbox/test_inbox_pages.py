from urllib.parse import quote

from services.dev.inbox.pages import MAIL_VIEWS
from tests.integration.inbox.inbox_client import InboxClient

STATIC = ("inbox.css", "inbox.js", "live.js", "copy.js")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


async def only_id(client: InboxClient) -> str:
    (message,) = await client.get_json("/api/messages")
    return str(message["id"])


async def test_the_list_shows_what_was_caught(client: InboxClient) -> None:
    assert "No message yet" in await client.get_page("/")
    await client.send_mail("hello", subject="Sign in to Demo")
    page = await client.get_page("/")
    assert "Sign in to Demo" in page
    assert "ada@example.com" in page
    assert f"/messages/{await only_id(client)}" in page


async def test_a_message_shows_its_links_as_buttons_that_tell_nothing_to_the_target(
    client: InboxClient,
) -> None:
    await client.send_mail("https://a.example/l/k1", "<p>hello</p>")
    page = await client.get_page(f"/messages/{await only_id(client)}")
    assert 'href="https://a.example/l/k1" target="_blank" rel="noopener noreferrer"' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "Message-ID" in await client.get_page(f"/messages/{await only_id(client)}?view=headers")


async def test_hostile_text_is_escaped_on_every_page(client: InboxClient) -> None:
    await client.send_mail(HOSTILE, HOSTILE, subject=HOSTILE)
    message = f"/messages/{await only_id(client)}"
    views = [f"{message}?view={view}" for view in MAIL_VIEWS]
    for path in ("/", f"/?q={quote(HOSTILE)}", message, *views):
        page = await client.get_page(path)
        assert "<script>" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


async def test_hostile_sms_text_is_escaped_on_every_page(client: InboxClient) -> None:
    await client.send_twilio(To="+14155550100", From="+15005550006", Body=HOSTILE)
    for path in ("/", f"/messages/{await only_id(client)}", "/conversations/sms/%2B14155550100"):
        assert "<script>" not in await client.get_page(path)


async def test_html_mail_is_served_in_a_cage(client: InboxClient) -> None:
    await client.send_mail("text", HOSTILE)
    async with client.http.get(f"/messages/{await only_id(client)}/html") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert HOSTILE in await answer.text()
    assert policy.startswith("sandbox ")
    for forbidden in ("allow-scripts", "allow-same-origin", "allow-forms", "allow-top-navigation"):
        assert forbidden not in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


async def test_a_message_without_html_has_no_frame_and_an_unknown_one_is_a_404(client: InboxClient) -> None:
    await client.send_mail("text only")
    message_id = await only_id(client)
    assert "<iframe" not in await client.get_page(f"/messages/{message_id}")
    for path in (f"/messages/{message_id}/html", "/messages/x", "/messages/x/html"):
        async with client.http.get(path) as answer:
            assert answer.status == 404


async def test_no_page_asks_another_host_for_anything(client: InboxClient) -> None:
    await client.send_mail("hello", "<p>hello</p>")
    await client.send_twilio(To="+14155550100", From="+15005550006", Body="hello")
    (_, mail) = await client.get_json("/api/messages")
    own = ("/failures", "/conversations/sms/%2B14155550100", *(f"/static/{name}" for name in STATIC))
    for path in ("/", f"/messages/{mail['id']}", *own):
        page = await client.get_page(path)
        assert "http://" not in page
        assert "https://" not in page


async def test_search_finds_by_recipient_subject_and_text(client: InboxClient) -> None:
    await client.send_mail("Apples", subject="One", to="ada@example.com")
    await client.send_mail("Pears", subject="Two", to="bob@example.com")
    for words, subject in (("ada@", "One"), ("two", "Two"), ("pears BOB", "Two")):
        found = await client.get_json(f"/api/messages?q={quote(words)}")
        assert [message["subject"] for message in found] == [subject]
        page = await client.get_page(f"/?q={quote(words)}")
        assert page.count('class="row') == 1
    assert "Nothing found" in await client.get_page("/?q=plums")


async def test_a_message_is_unread_until_it_was_opened(client: InboxClient) -> None:
    await client.send_mail("hello")
    assert 'class="row unread"' in await client.get_page("/")
    await client.get_json(f"/api/messages/{await only_id(client)}")
    assert 'class="row unread"' in await client.get_page("/")
    await client.get_page(f"/messages/{await only_id(client)}")
    assert 'class="row unread"' not in await client.get_page("/")


async def test_the_passcode_and_the_segments_are_shown(client: InboxClient) -> None:
    await client.send_twilio(To="+14155550100", From="+15005550006", Body="Passcode: 482 913 ж")
    page = await client.get_page("/conversations/sms/%2B14155550100")
    assert "<strong>482913</strong>" in page
    assert "1 segment, UCS-2" in page
    message = await client.get_json(f"/api/messages/{await only_id(client)}")
    assert (message["passcode"], message["segments"], message["encoding"]) == ("482913", 1, "UCS-2")


async def test_a_conversation_holds_one_numbers_messages_of_one_channel(client: InboxClient) -> None:
    for body in ("first", "second"):
        await client.send_twilio(To="+14155550100", From="+15005550006", Body=body)
    await client.send_twilio(To="+14155550101", From="+15005550006", Body="somebody else's")
    await client.send_twilio(To="whatsapp:+14155550100", From="whatsapp:+15005550006", Body="by whatsapp")
    page = await client.get_page("/conversations/sms/%2B14155550100")
    assert page.index("first") < page.index("second")
    assert "somebody" not in page
    assert "by whatsapp" not in page
    for path in (
        "/conversations/email/%2B14155550100",
        "/conversations/sms/%2B14155550109",
        "/conversations/fax/1",
    ):
        async with client.http.get(path) as answer:
            assert answer.status == 404


async def test_a_content_template_is_shown_with_its_variables(client: InboxClient) -> None:
    await client.send_twilio(
        To="whatsapp:+14155550100",
        From="whatsapp:+15005550006",
        ContentSid="HX" + "b" * 32,
        ContentVariables='{"1": "Demo", "4": "482913"}',
    )
    page = await client.get_page("/conversations/whatsapp/%2B14155550100")
    assert "<dt>{{1}}</dt><dd>Demo</dd>" in page
    assert "<strong>482913</strong>" in page
    message = await client.get_json(f"/api/messages/{await only_id(client)}")
    assert message["template"]["variables"] == {"1": "Demo", "4": "482913"}


async def test_the_raw_mail_is_a_file_and_never_a_page(client: InboxClient) -> None:
    await client.send_mail("hello", HOSTILE)
    async with client.http.get(f"/messages/{await only_id(client)}/source") as answer:
        assert answer.content_type == "message/rfc822"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert b"Message-ID: <0190@demo.example>" in await answer.read()


async def test_the_dark_preview_serves_the_mail_as_a_dark_reader_sees_it(client: InboxClient) -> None:
    await client.send_mail("text", "<style>@media (prefers-color-scheme: dark) {}</style>")
    message_id = await only_id(client)
    assert "html?scheme=dark" in await client.get_page(f"/messages/{message_id}?scheme=dark&width=phone")
    assert "(min-width:0)" in await client.get_page(f"/messages/{message_id}/html?scheme=dark")
