"""What happens to an e-mail: refused, caught, bounced or left without an answer, as the failures in force say."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from weakref import WeakKeyDictionary

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.dev.inbox.failures import Bounce, Drop, Failures, SmtpReply, Struck
from services.dev.inbox.links import find_links
from services.dev.inbox.mail import read_mail
from services.dev.inbox.mailbox import CaughtMessage, Mailbox
from services.dev.inbox.statuses import Report

_log = structlog.get_logger()

DAEMON = "Mail Delivery System <mailer-daemon@inbox.localhost>"

# A delivery status notification (RFC 3464) in a multipart/report (RFC 6522). The standard library writes no such part from text.
_NOTIFICATION = """\
From: {daemon}
To: {sender}
Subject: Undelivered Mail Returned to Sender
Date: {date}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_bounced_="

--=_bounced_=
Content-Type: text/plain; charset=utf-8

Your message could not be delivered to {recipient}.

550 5.1.1 no such user here

--=_bounced_=
Content-Type: message/delivery-status

Reporting-MTA: dns; inbox.localhost

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user here

--=_bounced_=
Content-Type: text/rfc822-headers

Message-ID: {message_id}

--=_bounced_=--
"""


class MailHandler:
    """What aiosmtpd calls for each e-mail. Each recipient gets a message of its own, as in a real mailbox."""

    def __init__(self, mailbox: Mailbox, failures: Failures, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._failures = failures
        self._now = now
        self._struck: WeakKeyDictionary[Envelope, dict[str, Struck]] = WeakKeyDictionary()

    async def handle_EHLO(  # noqa: N802 - the signatures are aiosmtpd's
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,
        envelope: Envelope,  # noqa: ARG002
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        # aiosmtpd reads commands one by one, however they come, and does not say so (RFC 2920).
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        struck = self._failures.strike("email", address)
        await asyncio.sleep(struck.delay_seconds)
        if isinstance(struck.failure, SmtpReply) and struck.failure.at == "rcpt":
            return struck.failure.reply
        self._struck.setdefault(envelope, {})[address] = struck
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        failures = {to: struck.failure for to, struck in self._struck.pop(envelope, {}).items()}
        for failure in failures.values():
            if isinstance(failure, SmtpReply):
                return failure.reply  # SMTP has one answer to DATA, for all recipients
        dropped = any(isinstance(failure, Drop) for failure in failures.values())
        for recipient in envelope.rcpt_tos:
            bounced = isinstance(failures[recipient], Bounce)
            self._catch(envelope, recipient, bounced=bounced, dropped=dropped)
        if dropped and server.transport is not None:
            server.transport.close()
            await asyncio.Event().wait()  # aiosmtpd cancels us when it sees that the connection is gone
        return "250 2.0.0 Ok: caught by the dev inbox"

    def _catch(self, envelope: Envelope, recipient: str, *, bounced: bool, dropped: bool) -> None:
        content = envelope.content or b""
        source = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
        note = "the connection was dropped instead of an answer" if dropped else None
        self._add(source, recipient, envelope.mail_from or "", bounced=bounced, note=note)
        if bounced and envelope.mail_from:
            self._add(self._notification(source, recipient, envelope.mail_from), envelope.mail_from, DAEMON)

    def _add(
        self, source: bytes, to: str, sender: str, *, bounced: bool = False, note: str | None = None
    ) -> None:
        mail = read_mail(source)
        now = self._now()
        message = CaughtMessage(
            id=uuid.uuid4().hex,
            channel="email",
            to=to,
            sender=mail.sender or sender,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            links=find_links(mail.text, mail.html),
            received_at=now,
            headers=mail.headers,
            source=source,
            reports=(Report("bounced", now),) if bounced else (),
            note="it bounced: a notification to the sender follows" if bounced else note,
        )
        self._mailbox.add(message)
        _log.info("message_caught", channel="email", message_id=message.id)

    def _notification(self, source: bytes, recipient: str, sender: str) -> bytes:
        original = dict(read_mail(source).headers)
        text = _NOTIFICATION.format(
            daemon=DAEMON,
            sender=sender,
            recipient=recipient,
            date=format_datetime(self._now()),
            message_id=" ".join(original.get("Message-ID", "").split()),
        )
        return text.replace("\n", "\r\n").encode()
