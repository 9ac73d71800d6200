from tests.integration.inbox.inbox_client import InboxClient

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
    assert "Message-ID" in page


async def test_hostile_text_is_escaped_on_every_page(client: InboxClient) -> None:
    await client.send_mail(HOSTILE, HOSTILE, subject=HOSTILE)
    for path in ("/", f"/messages/{await only_id(client)}"):
        page = await client.get_page(path)
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


async def test_hostile_sms_text_is_escaped_on_every_page(client: InboxClient) -> None:
    await client.send_twilio(To="+14155550100", From="+15005550006", Body=HOSTILE)
    for path in ("/", f"/messages/{await only_id(client)}"):
        assert "<script" not in await client.get_page(path)


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
    for path in ("/", f"/messages/{await only_id(client)}", "/static/inbox.css"):
        page = await client.get_page(path)
        assert "http://" not in page
        assert "https://" not in page
