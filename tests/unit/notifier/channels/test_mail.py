from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels import Outgoing
from services.notifier.channels.mail import Mail, Unsendable, compose, mailbox
from services.notifier.content import Content, WhatsAppTemplate

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LINK = "https://login.example.com/l/2" + "aB3dE6gH9j" * 4
CONTENT = Content(
    subject="Sign in to Acme",
    text=f"Sign in:\n\n{LINK}\n",
    html=f'<p lang="en">Grüße <a href="{LINK}">Sign in</a></p>\n',
    sms="",
    whatsapp=WhatsAppTemplate(None, {}, ""),
)
MESSAGE = Outgoing(UUID(int=7), "jo@example.com", None, CONTENT, NOW, 1)
SENDER = mailbox("Acme <login@acme.example>")
INJECTION = "x\r\nBcc: victim@evil.example\r\n\r\nbody"


def _parsed(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.source, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_an_email_has_text_html_and_the_headers_of_an_automatic_message() -> None:
    mail = compose(MESSAGE, SENDER, NOW)
    message = _parsed(mail)
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert [text.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    assert LINK in text.get_content().splitlines()
    assert html.get_content().splitlines() == CONTENT.html.splitlines()
    assert message["From"] == "Acme <login@acme.example>"
    assert message["To"] == "jo@example.com"
    assert message["Date"].datetime == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert (mail.sender, mail.recipient) == ("login@acme.example", "jo@example.com")


def test_every_attempt_carries_the_same_message_id() -> None:
    first = compose(MESSAGE, SENDER, NOW)
    second = compose(replace(MESSAGE, attempt=2), SENDER, datetime(2026, 3, 2, tzinfo=UTC))
    assert first.message_id == second.message_id == f"<{UUID(int=7)}@acme.example>"
    assert _parsed(second)["Message-ID"] == first.message_id


def test_a_line_end_in_the_subject_is_refused() -> None:
    for end in ("\r\n", "\n", "\r"):
        content = replace(CONTENT, subject=f"Hello{end}Bcc: victim@evil.example")
        with pytest.raises(Unsendable):
            compose(replace(MESSAGE, content=content), SENDER, NOW)


@pytest.mark.parametrize(
    "address",
    [
        f"jo@example.com{INJECTION}",
        f"{INJECTION}@example.com",
        "jo@example.com\n",
        "jo@example.com> SIZE=1",
        "jo@exa mple.com",
        '"jo"@example.com',
        "jo@a.example,ann@b.example",
        "jo@a.example ann@b.example",
        "jo",
        "@example.com",
        "jo@",
        "",
        "jo\x00@example.com",
        "jo\u2028@example.com",
        "Name <jo@example.com\r\nBcc: x@evil.example>",
    ],
)
def test_what_could_end_a_header_or_a_command_is_no_address(address: str) -> None:
    with pytest.raises(Unsendable) as refused:
        compose(replace(MESSAGE, to=address), SENDER, NOW)
    assert not address or address not in str(refused.value)


def test_line_ends_in_the_bodies_stay_in_the_bodies() -> None:
    content = replace(CONTENT, text=f"a\r\n.\r\n{INJECTION}\n", html=f"<p>\r\n\r\n.\r\n{INJECTION}</p>")
    message = _parsed(compose(replace(MESSAGE, content=content), SENDER, NOW))
    assert message["Bcc"] is None
    text, html = message.iter_parts()
    assert text["Bcc"] is None
    assert html["Bcc"] is None


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"], exclude_characters='<>"'), max_size=120))
def test_no_display_name_adds_a_recipient_or_a_header(name: str) -> None:
    message = _parsed(
        compose(MESSAGE, mailbox(f"{name}, Ünd (x) \\ y; z@evil.example: <login@acme.example>"), NOW)
    )
    assert [address.addr_spec for address in message["From"].addresses] == ["login@acme.example"]
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
        "MIME-Version", "Content-Type",
    }  # fmt: skip


def test_a_comma_in_a_senders_name_needs_no_quotes() -> None:
    assert mailbox("Acme, Inc. <login@acme.example>").name == "Acme, Inc."
    assert mailbox('"Acme, Inc." <login@acme.example>').name == "Acme, Inc."


def test_a_unicode_domain_is_written_in_ascii() -> None:
    mail = compose(replace(MESSAGE, to="jo@bücher.example"), SENDER, NOW)
    assert mail.recipient == "jo@xn--bcher-kva.example"
    assert not mail.needs_utf8
    assert mail.source.isascii()


def test_a_unicode_mailbox_needs_smtputf8() -> None:
    mail = compose(replace(MESSAGE, to="jörg@bücher.example"), SENDER, NOW)
    assert mail.needs_utf8
    assert "jörg@xn--bcher-kva.example".encode() in mail.source


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(Unsendable):
        compose(replace(MESSAGE, content=replace(CONTENT, text="\udcff")), SENDER, NOW)


SHORT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)
LONG_LINE = "a = b. " * 40
BODIES = [
    "plain\n",
    "",
    "no end",
    ".\n..\nFrom here\n",
    "a space at the end \nand a tab\t\n",
    LONG_LINE,
    "Grüße\n",
    "ログイン\n" * 30,
    f"{LONG_LINE}\nGrüße " * 9,
    "=?utf-8?q?x?= =20\n",
]


def _same_lines(text: str) -> str:
    return "".join(f"{line}\n" for line in text.encode().decode().replace("\r\n", "\n").split("\n")).rstrip(
        "\n"
    )


@pytest.mark.parametrize("body", BODIES)
def test_a_body_arrives_as_it_was_written(body: str) -> None:
    content = replace(CONTENT, text=body, html=f"<p>{body}</p>")
    mail = compose(replace(MESSAGE, content=content), SENDER, NOW)
    for part, written in zip(_parsed(mail).iter_parts(), (content.text, content.html), strict=True):
        assert isinstance(part, EmailMessage)
        assert _same_lines(part.get_content()) == _same_lines(written)
    assert mail.source.isascii()
    assert max(map(len, mail.source.split(b"\r\n"))) <= 78
    assert b"\n" not in mail.source.replace(b"\r\n", b"")


@given(SHORT)
def test_any_subject_arrives_as_the_standard_library_would_send_it(subject: str) -> None:
    try:
        mail = compose(replace(MESSAGE, content=replace(CONTENT, subject=subject)), SENDER, NOW)
    except Unsendable:
        assert len(subject.splitlines()) > 1
        return
    reference = EmailMessage(policy=SMTP)
    reference["Subject"] = subject
    expected = message_from_bytes(reference.as_bytes(), policy=default)["Subject"]
    assert _parsed(mail)["Subject"] == expected
    assert max(map(len, mail.source.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "address",
    ["a..b@example.com", "jo+x@example.com", f"{'j' * 64}@{'e' * 60}.example"],
)
def test_an_odd_recipient_is_read_back_as_that_one_recipient(address: str) -> None:
    mail = compose(replace(MESSAGE, to=address), SENDER, NOW)
    [found] = _parsed(mail)["To"].addresses
    local, _, domain = address.partition("@")
    assert (found.username, found.domain) == (local, domain)
    assert mail.recipient == address


def test_no_two_mails_share_a_boundary() -> None:
    boundaries = {_parsed(compose(MESSAGE, SENDER, NOW)).get_boundary() for _ in range(20)}
    assert len(boundaries) == 20


def test_a_long_subject_is_folded() -> None:
    content = replace(CONTENT, subject=("Sign in to Acme " * 12).strip())
    head, _, _ = compose(replace(MESSAGE, content=content), SENDER, NOW).source.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 78
