from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st

from services.dev.inbox.mail import read_mail


def test_a_multipart_mail_gives_its_text_html_subject_and_headers() -> None:
    message = EmailMessage()
    message["From"] = "Démo <login@demo.example>"
    message["To"] = "ada@example.com"
    message["Subject"] = "Anmelden bei Größe"
    message["Message-ID"] = "<1@demo.example>"
    message.set_content("Grüße\nhttps://a.example/l/x\n")
    message.add_alternative("<p>Grüße</p>", subtype="html")

    mail = read_mail(message.as_bytes())

    assert (mail.subject, mail.sender) == ("Anmelden bei Größe", "Démo <login@demo.example>")
    assert mail.text == "Grüße\nhttps://a.example/l/x\n"
    assert mail.html == "<p>Grüße</p>\n"
    assert ("Message-ID", "<1@demo.example>") in mail.headers


def test_a_mail_with_an_unknown_charset_is_still_readable() -> None:
    mail = read_mail(b"Subject: x\r\nContent-Type: text/plain; charset=klingon-1\r\n\r\nhello\r\n")
    assert (mail.subject, mail.text) == ("x", "hello\n")


def test_a_mail_of_html_alone_has_no_text() -> None:
    mail = read_mail(b"Content-Type: text/html\r\n\r\n<p>x</p>")
    assert (mail.text, mail.html) == ("", "<p>x</p>")


_HEADER_NAMES = st.sampled_from(
    [b"Subject", b"From", b"To", b"Content-Type", b"Content-Disposition", b"Message-ID", b"Date"]
)
_HEADER_VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"=?utf-8?q?=?=", b'"', b"<", b"a@", b"multipart/mixed; boundary=", b"[", b"=?x?b?"]),
)


@settings(deadline=None)
@given(st.lists(st.tuples(_HEADER_NAMES, _HEADER_VALUES), max_size=8), st.binary(max_size=200))
def test_no_malformed_mail_is_lost(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    source = b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body
    mail = read_mail(source)
    mail.text.encode("utf-8", "surrogatepass")


def test_a_mail_that_breaks_the_parser_shows_its_source() -> None:
    source = b"Subject: hello\r\nContent-Type: text/plain\r\nContent-Disposition: ; =\r\nFrom: <\r\nMessage-ID: [\r\n\r\nbody"
    mail = read_mail(source)
    assert "body" in mail.text
