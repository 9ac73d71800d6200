"""Wiring and life of the inbox: one mailbox, an SMTP listener and an HTTP server in the caller's loop."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiohttp import web

from services.dev.inbox.api import Api
from services.dev.inbox.guard import add_headers, local_hosts_only
from services.dev.inbox.mail import MailHandler
from services.dev.inbox.mailbox import MESSAGE_BYTES, Mailbox
from services.dev.inbox.pages import Pages
from services.dev.inbox.smtp import SmtpListener
from services.dev.inbox.twilio import TwilioEndpoint
from services.dev.inbox.twilio_auth import TwilioAccount

_log = structlog.get_logger()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOptions:
    """Where to listen (port 0: the system chooses) and which Twilio account to play (`None`: refuse all of Twilio)."""

    host: str = "127.0.0.1"
    http_port: int = 8005
    smtp_port: int = 8006
    twilio: TwilioAccount | None = None
    now: Callable[[], datetime] = _utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """A running inbox; `http_port` and `smtp_port` are the ports it really has."""

    host: str
    http_port: int
    smtp_port: int
    mailbox: Mailbox
    smtp: SmtpListener
    runner: web.AppRunner

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.http_port}"

    async def close(self) -> None:
        await self.smtp.close()
        await self.runner.cleanup()
        _log.info("inbox_stopped")


async def start(options: InboxOptions) -> Inbox:
    """Start listening. Raises OSError when a port is taken; then nothing is left open."""
    mailbox = Mailbox()
    smtp = SmtpListener(MailHandler(mailbox, options.now))
    smtp_port = await smtp.listen(options.host, options.smtp_port)
    runner = web.AppRunner(_application(mailbox, smtp, options), access_log=None, shutdown_timeout=1.0)
    try:
        await runner.setup()
        await web.TCPSite(runner, options.host, options.http_port).start()
    except BaseException:
        await runner.cleanup()
        await smtp.close()
        raise
    http_port: int = runner.addresses[0][1]
    _log.info(
        "inbox_started",
        host=options.host,
        http_port=http_port,
        smtp_port=smtp_port,
        twilio=options.twilio is not None,
    )
    return Inbox(
        host=options.host, http_port=http_port, smtp_port=smtp_port, mailbox=mailbox, smtp=smtp, runner=runner
    )


def _application(mailbox: Mailbox, smtp: SmtpListener, options: InboxOptions) -> web.Application:
    application = web.Application(middlewares=[local_hosts_only], client_max_size=MESSAGE_BYTES)
    application.on_response_prepare.append(add_headers)
    application.add_routes(Api(mailbox, lambda: smtp.serving).routes())
    application.add_routes(Pages(mailbox, options.now).routes())
    application.add_routes(TwilioEndpoint(mailbox, options.twilio, options.now).routes())
    return application
