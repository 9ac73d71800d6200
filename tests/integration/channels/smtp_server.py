"""A real SMTP server (aiosmtpd) that plays a script: an answer, a closed connection or silence at each stage."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult

CLOSE = "close"
SILENCE = "silence"
PASSWORD = b"correct horse"

# aiosmtpd logs every line of a mail at DEBUG.
logging.getLogger("mail").setLevel(logging.WARNING)


@dataclass
class ScriptedServer:
    """`answers`: what to do at CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, RSET instead of what is right.

    Each is a list, used up one by one; then the server behaves again. `delays_seconds`: how slow it is at a stage.
    """

    answers: dict[str, list[str]] = field(default_factory=dict)
    delays_seconds: dict[str, float] = field(default_factory=dict)
    port: int = 0
    pipelining: bool = False
    mails: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    sessions: list[SMTP] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def open_sessions(self) -> int:
        return sum(s.transport is not None and not s.transport.is_closing() for s in self.sessions)

    def hang_up(self) -> None:
        for session in self.sessions:
            if session.transport is not None:
                session.transport.close()

    async def answer(self, stage: str, server: SMTP, right: str | None) -> str | None:
        self.commands.append(stage)
        await asyncio.sleep(self.delays_seconds.get(stage, 0))
        script = self.answers.get(stage)
        if not script:
            return right
        answer = script.pop(0)
        if answer == CLOSE:
            _transport(server).abort()
        if answer in {CLOSE, SILENCE}:
            await asyncio.sleep(3_600)
        return answer


def _transport(server: SMTP) -> asyncio.Transport:
    assert server.transport is not None
    return cast("asyncio.Transport", server.transport)  # uvloop's are not its subclass


class _Handler:
    def __init__(self, plan: ScriptedServer) -> None:
        self._plan = plan

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self._plan.pipelining:  # aiosmtpd can, and does not say so
            responses.insert(1, "250-PIPELINING")
        answer = await self._plan.answer("EHLO", server, None)
        return responses if answer is None else [answer]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str | None:
        answer = await self._plan.answer("MAIL", server, "250 OK")
        if answer == "250 OK":
            envelope.mail_from, envelope.mail_options = address, options
        return answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str | None:
        answer = await self._plan.answer("RCPT", server, "250 OK")
        if answer is not None and answer.startswith("25"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str | None:  # noqa: N802
        # Kept before the answer: a server that dies in this moment has the mail.
        self._plan.mails.append(envelope.content)
        self._plan.envelopes.append((envelope.mail_from, envelope.rcpt_tos, envelope.mail_options))
        return await self._plan.answer("DATA", server, "250-2.0.0 Ok\r\n250 2.0.0 queued as 4F7A")

    async def handle_RSET(self, server: SMTP, session: Any, envelope: Any) -> str | None:  # noqa: N802
        return await self._plan.answer("RSET", server, "250 OK")


class _Session(SMTP):
    """Gives the script a word before the greeting, and before AUTH."""

    plan: ScriptedServer

    async def _handle_client(self) -> None:
        greeting = await self.plan.answer("CONNECT", self, None)
        if greeting is not None:
            await self.push(greeting)
            _transport(self).close()
            return
        await super()._handle_client()


def _factory(plan: ScriptedServer, options: dict[str, Any]) -> Callable[[], SMTP]:
    def authenticate(server: SMTP, _s: Any, _e: Any, _mechanism: str, data: Any) -> AuthResult:
        plan.commands.append("AUTH")
        return AuthResult(success=data.password == PASSWORD, handled=False)

    def session() -> SMTP:
        made = _Session(_Handler(plan), hostname="mail.test", authenticator=authenticate, **options)
        made.plan = plan
        plan.sessions.append(made)
        return made

    return session


@asynccontextmanager
async def scripted_server(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    pipelining: bool = False,
    **options: Any,
) -> AsyncIterator[ScriptedServer]:
    """Run a server in this loop. `tls` speaks TLS from the first byte, `starttls` offers and requires it, `pipelining` offers that."""
    plan = ScriptedServer(pipelining=pipelining)
    loop = asyncio.get_running_loop()
    options = {"enable_SMTPUTF8": True, "loop": loop} | options
    if starttls is not None:
        options |= {"tls_context": starttls, "require_starttls": True}
    server = await loop.create_server(_factory(plan, options), "127.0.0.1", 0, ssl=tls)
    plan.port = server.sockets[0].getsockname()[1]
    try:
        yield plan
    finally:
        server.close()
        plan.hang_up()
        for session in plan.sessions:
            task = session._handler_coroutine
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await server.wait_closed()
