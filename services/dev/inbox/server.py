"""Wiring and life of the inbox: one mailbox, an SMTP listener and an HTTP server in the caller's loop."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiohttp import web

from services.dev.inbox.api import Api
from services.dev.inbox.callbacks import StatusCallbacks
from services.dev.inbox.conversations import Conversations
from services.dev.inbox.failures import Failures
from services.dev.inbox.failures_api import FailuresApi
from services.dev.inbox.failures_page import FailuresPage
from services.dev.inbox.feed import Feed
from services.dev.inbox.guard import add_headers, local_hosts_only, own_pages_only
from services.dev.inbox.mail_handler import MailHandler
from services.dev.inbox.mailbox import MESSAGE_BYTES, Mailbox
from services.dev.inbox.pages import Pages
from services.dev.inbox.rendering import Renderer
from services.dev.inbox.smtp import SmtpListener
from services.dev.inbox.twilio import Delivery, TwilioEndpoint
from services.dev.inbox.twilio_auth import TwilioAccount

_log = structlog.get_logger()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxOptions:
    """Where to listen (port 0: the system chooses) and which Twilio account to play (`None`: refuse all of Twilio).

    `status_pace_seconds` lies between two statuses of an SMS or WhatsApp message.
    """

    host: str = "127.0.0.1"
    http_port: int = 8005
    smtp_port: int = 8006
    twilio: TwilioAccount | None = None
    now: Callable[[], datetime] = _utc_now
    status_pace_seconds: float = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """A running inbox; `http_port` and `smtp_port` are the ports it really has."""

    host: str
    http_port: int
    smtp_port: int
    mailbox: Mailbox
    smtp: SmtpListener
    runner: web.AppRunner
    feed: Feed
    callbacks: StatusCallbacks

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.http_port}"

    async def close(self) -> None:
        await self.smtp.close()
        self.feed.close()
        await self.callbacks.close()
        await self.runner.cleanup()
        _log.info("inbox_stopped")


async def start(options: InboxOptions) -> Inbox:
    """Start listening. Raises OSError when a port is taken; then nothing is left open."""
    mailbox = Mailbox()
    feed = Feed(mailbox)
    failures = Failures(changed=lambda: feed.tell("failures", {}))
    smtp = SmtpListener(MailHandler(mailbox, failures, options.now))
    smtp_port = await smtp.listen(options.host, options.smtp_port)
    callbacks = StatusCallbacks(mailbox, options.twilio, options.now, options.status_pace_seconds)
    delivery = Delivery(mailbox, failures, callbacks, options.now)
    runner = web.AppRunner(
        _application(delivery, feed, smtp, options.twilio), access_log=None, shutdown_timeout=1.0
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, options.host, options.http_port).start()
    except BaseException:
        await runner.cleanup()
        await callbacks.close()
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
        host=options.host,
        http_port=http_port,
        smtp_port=smtp_port,
        mailbox=mailbox,
        smtp=smtp,
        runner=runner,
        feed=feed,
        callbacks=callbacks,
    )


def _application(
    delivery: Delivery, feed: Feed, smtp: SmtpListener, account: TwilioAccount | None
) -> web.Application:
    application = web.Application(
        middlewares=[local_hosts_only, own_pages_only], client_max_size=MESSAGE_BYTES
    )
    application.on_response_prepare.append(add_headers)
    renderer = Renderer(delivery.mailbox, delivery.now)
    parts = (
        Api(delivery.mailbox, lambda: smtp.serving),
        FailuresApi(delivery.failures),
        feed,
        Pages(delivery.mailbox, renderer),
        Conversations(delivery.mailbox, delivery.callbacks, renderer),
        FailuresPage(delivery.failures, renderer),
        TwilioEndpoint(delivery, account),
    )
    for part in parts:
        application.add_routes(part.routes())
    return application
