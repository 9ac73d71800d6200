"""The SMTP listener. aiosmtpd's own Controller runs a thread; this one lives in the caller's loop."""

import asyncio
import logging
import weakref

from aiosmtpd.smtp import SMTP

from services.dev.inbox.mail_handler import MailHandler
from services.dev.inbox.mailbox import MESSAGE_BYTES


class SmtpListener:
    """Listens for e-mail. Anything over `MESSAGE_BYTES` is refused with 552."""

    def __init__(self, handler: MailHandler) -> None:
        # aiosmtpd logs recipients at INFO and every line of a mail, tokens included, at DEBUG.
        logging.getLogger("mail").setLevel(logging.WARNING)
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()

    async def listen(self, host: str, port: int) -> int:
        """Start; gives the port, which is the system's choice when `port` is 0. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._session(loop), host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def _session(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        session = SMTP(
            self._handler,
            data_size_limit=MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            hostname="inbox.localhost",
            ident="magiclink dev inbox",
            loop=loop,
        )
        self._sessions.add(session)
        return session

    @property
    def serving(self) -> bool:
        return self._server is not None and self._server.is_serving()

    async def close(self) -> None:
        """Stop listening and hang up on open sessions: a pooled client would hold them for minutes."""
        if self._server is None:
            return
        self._server.close()
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()
        await self._server.wait_closed()
