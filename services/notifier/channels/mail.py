"""A message as an e-mail (RFC 5322, MIME multipart/alternative), with no way to slip in a header."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

import idna

from services.notifier.channels import Outgoing

_NAME_AND_ADDRESS = re.compile(r'\s*"?(?P<name>[^"<>]*?)"?\s*<(?P<address>[^<>]+)>\s*')
# Quoted local parts are legal (RFC 5321) and used by nobody but attackers of parsers.
_LOCAL_PART = re.compile(r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\\\]]{1,64}")


class Unsendable(Exception):  # noqa: N818 - states the fact
    """The message cannot be written as an e-mail; the text says which part and never repeats it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name and an address; the domain is in its ASCII (IDNA) form, which every server understands."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        return not self.local.isascii()


@dataclass(frozen=True, slots=True)
class Mail:
    """What goes over the wire: envelope and source. `needs_utf8`: only a server with SMTPUTF8 (RFC 6531) can take it."""

    sender: str
    recipient: str
    message_id: str
    source: bytes = field(repr=False)
    needs_utf8: bool


def mailbox(text: str) -> Mailbox:
    """Parse `jo@example.com` or `Example <login@example.com>`.

    Raises:
        Unsendable: The address is not one, or something in it could end the header or the SMTP command.
    """
    if any(not c.isprintable() for c in text):
        raise Unsendable("the address holds a control character")
    found = _NAME_AND_ADDRESS.fullmatch(text)
    name, address = (found["name"], found["address"]) if found else ("", text)
    local, _, domain = address.strip().rpartition("@")
    if not _LOCAL_PART.fullmatch(local):
        raise Unsendable("the address is not a mailbox")
    try:
        return Mailbox(name, local, idna.encode(domain, uts46=True).decode("ascii"))
    except (idna.IDNAError, UnicodeError):
        raise Unsendable("the address has no valid domain") from None


def compose(message: Outgoing, sender: Mailbox, now: datetime) -> Mail:
    """Write the e-mail.

    The Message-ID is the message's own id: whoever gets a second copy after an unknown outcome can tell (G3).
    `now` is the moment of this attempt; a scheduled message dated when it was ordered would look like spam.

    Raises:
        Unsendable: The recipient or the subject cannot stand in a header, or the text cannot be encoded.
    """
    recipient = mailbox(message.to)
    needs_utf8 = recipient.needs_utf8 or sender.needs_utf8
    policy = SMTPUTF8 if needs_utf8 else SMTP.clone(cte_type="7bit")
    mail = EmailMessage(policy=policy)
    message_id = f"<{message.message_id}@{sender.domain}>"
    try:
        mail["From"] = Address(sender.name, sender.local, sender.domain)
        mail["To"] = Address("", recipient.local, recipient.domain)
        mail["Subject"] = message.content.subject
        mail.set_content(message.content.text)
        mail.add_alternative(message.content.html, subtype="html")
    except ValueError:
        # EmailMessage refuses line ends in headers; `render` removes them, so this is an attack or a bug.
        raise Unsendable("the subject holds a line end, or the text is not Unicode") from None
    mail["Date"] = now
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office programs stay quiet
    mail["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    return Mail(sender.address, recipient.address, message_id, mail.as_bytes(), needs_utf8)
