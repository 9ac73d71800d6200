"""Reading an e-mail as a person would; what it holds is untouched and untrusted."""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage

import structlog

_log = structlog.get_logger()

# The standard library's header parser raises these on some malformed mail; a catcher has to show such mail all the same.
_PARSER_FAULTS = (MessageError, AttributeError, IndexError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Mail:
    """A parsed e-mail; the HTML is the sender's, untouched and untrusted."""

    subject: str
    sender: str | None
    text: str
    html: str | None
    headers: tuple[tuple[str, str], ...]


def read_mail(source: bytes) -> Mail:
    """Parse an e-mail. One that cannot be parsed is given with its source as the text, never refused."""
    try:
        return _parse(source)
    except _PARSER_FAULTS as fault:
        _log.warning("mail_unreadable", fault=type(fault).__name__, size_bytes=len(source))
        return Mail("(unreadable e-mail)", None, source.decode("utf-8", "replace"), None, ())


def _parse(source: bytes) -> Mail:
    message = message_from_bytes(source, policy=policy.default)
    headers = tuple((name, str(value)) for name, value in message.items())
    sender = message["From"]
    return Mail(
        subject=str(message["Subject"] or ""),
        sender=str(sender) if sender else None,
        text=_body(message, "plain") or "",
        html=_body(message, "html"),
        headers=headers,
    )


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return None
    try:
        content = payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset that nobody knows
        content = payload.decode("utf-8", "replace")
    return content.replace("\r\n", "\n")
