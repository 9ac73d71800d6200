"""At most N connections to one SMTP server: opened when needed, reused, replaced when the server closed them."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

import aiosmtplib

from services.notifier.channels.smtp_dialogue import Dialogue
from shared.clock import Clock, monotonic

TRUSTED_IDLE_SECONDS = 2.0
QUIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how to hand over mail.

    `timeout_seconds` bounds one whole `send`: waiting for a connection, signing in, handing over. `tls_context` None
    means the system's certificate authorities (or those of `SSL_CERT_FILE`).
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Literal["none", "starttls", "tls"] = "starttls"
    pool_size: int = 4
    timeout_seconds: float = 20.0
    idle_seconds: float = 30.0
    tls_context: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(slots=True)
class Lent:
    """A connection in use. `needs_reset`: the server is still in the middle of a transaction that failed."""

    wire: Dialogue
    needs_reset: bool = False


@dataclass(frozen=True, slots=True)
class _Idle:
    wire: Dialogue
    since: float
    needs_reset: bool


class SmtpPool:
    """Lends connections, the most recently used first, so that the surplus of a burst grows old and is closed."""

    def __init__(self, server: SmtpServer, clock: Clock = monotonic) -> None:
        self._server = server
        self._clock = clock
        self._slots = asyncio.Semaphore(server.pool_size)
        self._idle: list[_Idle] = []
        self._closed = False
        self._tls_context = server.tls_context
        if self._tls_context is None and server.tls != "none":
            self._tls_context = ssl.create_default_context()

    @asynccontextmanager
    async def connection(self, timeout_seconds: float) -> AsyncIterator[Lent]:
        """Lend a connection that is signed in and outside a transaction.

        `timeout_seconds` bounds each step of opening one; the caller bounds the whole.

        Raises:
            aiosmtplib.SMTPException, OSError: No connection can be had.
        """
        async with self._slots:
            lent = Lent(await self._reusable() or await self._connect(timeout_seconds))
            try:
                yield lent
            except BaseException:
                # Broken off somewhere: nobody knows what the server waits for.
                lent.wire.close()
                raise
            self._give_back(lent)

    async def close(self) -> None:
        """Say goodbye on idle connections; those in use are closed when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(kept.wire) for kept in idle))

    async def _reusable(self) -> Dialogue | None:
        self._drop_old()
        while self._idle:
            kept = self._idle.pop()
            if not kept.wire.is_open:
                continue
            trusted = not kept.needs_reset and self._clock() - kept.since < TRUSTED_IDLE_SECONDS
            if trusted or await _answers(kept.wire):
                return kept.wire
        return None

    async def _connect(self, timeout_seconds: float) -> Dialogue:
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            timeout=timeout_seconds,
            use_tls=server.tls == "tls",
            # Never "if the server offers it": a man in the middle would just not offer it.
            start_tls=server.tls == "starttls",
            tls_context=self._tls_context,
            # The default asks the DNS for our own name, at every connection.
            local_hostname=_own_name(),
        )
        await smtp.connect()
        try:
            if smtp.is_ehlo_or_helo_needed:  # signing in has said it already
                await smtp.ehlo()
            return Dialogue(smtp)
        except BaseException:
            smtp.close()
            raise

    def _give_back(self, lent: Lent) -> None:
        if self._closed:
            lent.wire.close()
        elif lent.wire.is_open:
            self._idle.append(_Idle(lent.wire, self._clock(), lent.needs_reset))
        self._drop_old()

    def _drop_old(self) -> None:
        oldest = self._clock() - self._server.idle_seconds
        for kept in self._idle:
            if kept.since < oldest:
                kept.wire.close()
        self._idle = [kept for kept in self._idle if kept.since >= oldest]


async def _answers(wire: Dialogue) -> bool:
    try:
        if await wire.reset():
            return True
    except (aiosmtplib.SMTPException, OSError):
        pass
    except BaseException:
        wire.close()
        raise
    wire.close()
    return False


async def _quit(wire: Dialogue) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(QUIT_SECONDS):
            wire.say(b"QUIT")
            await wire.reply()
    wire.close()


def _own_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name.isprintable() and " " not in name and name else "localhost"
