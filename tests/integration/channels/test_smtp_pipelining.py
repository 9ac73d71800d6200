"""What servers may answer to three commands that came at once (RFC 2920), and what they may see of us."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.notifier.channels.smtp import SmtpChannel, SmtpServer
from services.notifier.outcomes import Delivered, TryLater, Undeliverable, Unknown
from tests.integration.channels.messages import LINK, outgoing

HANG_UP = "hang up"
ENVELOPE = ["MAIL", "RCPT", "DATA"]
RIGHT = {"EHLO": "250-mail.test\r\n250 PIPELINING", "DATA": "354 go on", "QUIT": "221 bye"}


@dataclass
class Wire:
    """What a server said by script, and took. `script`: answers by command, `.` for a message's end, each used once.

    With `at_once` the three commands of an envelope are answered once all have come.
    """

    script: dict[str, list[str]] = field(default_factory=dict)
    at_once: bool = True
    extensions: str = RIGHT["EHLO"]
    port: int = 0
    verbs: list[str] = field(default_factory=list)
    messages: list[list[str]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"220 mail.test\r\n")
        held = ""
        while line := (await reader.readline()).decode():
            verb = line[:4].strip().upper()
            self.verbs.append(verb)
            answer = self.answer(verb)
            if HANG_UP in answer:
                writer.write(held.encode())
                break
            held += f"{answer}\r\n"
            if self.at_once and verb in ENVELOPE[:2]:
                continue
            writer.write(held.encode())
            held = ""
            if verb == "DATA" and answer.startswith("354") and not await self.message(reader, writer):
                break
        writer.close()

    async def message(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines: list[str] = []
        while (line := (await reader.readline()).decode()) not in (".\r\n", ""):
            lines.append(line)
        if not line:
            return False
        self.messages.append(lines)
        answer = self.answer(".")
        if answer != HANG_UP:
            writer.write(f"{answer}\r\n".encode())
        return answer != HANG_UP

    def answer(self, verb: str) -> str:
        if self.script.get(verb):
            return self.script[verb].pop(0)
        return self.extensions if verb == "EHLO" else RIGHT.get(verb, "250 OK")


@asynccontextmanager
async def server(**options: object) -> AsyncIterator[tuple[Wire, SmtpChannel]]:
    wire = Wire(**options)  # type: ignore[arg-type]
    listening = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = listening.sockets[0].getsockname()[1]
    channel = SmtpChannel(
        SmtpServer("127.0.0.1", wire.port, tls="none", timeout_seconds=2.0), "Acme <login@acme.example>"
    )
    try:
        yield wire, channel
    finally:
        await channel.close()
        listening.close()
        await listening.wait_closed()


async def test_the_three_commands_go_out_before_any_answer_comes() -> None:
    async with server() as (wire, channel):  # it says nothing until DATA has come
        assert isinstance(await channel.send(outgoing()), Delivered)
        assert isinstance(await channel.send(outgoing()), Delivered)
    assert wire.connections == 1
    assert len(wire.messages) == 2


async def test_a_server_that_does_not_offer_it_gets_one_command_at_a_time() -> None:
    async with server(extensions="250 mail.test") as (_, channel):
        assert "timed out" in repr(await channel.send(outgoing()))
    async with server(extensions="250 mail.test", at_once=False) as (wire, channel):
        assert isinstance(await channel.send(outgoing()), Delivered)
    assert len(wire.messages) == 1


@pytest.mark.parametrize(
    ("answers", "outcome", "words"),
    [
        (("451 later", "503 MAIL first", "503 MAIL first"), TryLater, "451 at MAIL FROM"),
        (("550 not you", "503 MAIL first", "503 MAIL first"), TryLater, "550 at MAIL FROM"),
        (("550 not you", "250 OK", "354 go on"), TryLater, "550 at MAIL FROM"),
        (("250 OK", "550 5.1.1 no such user", "503 RCPT first"), Undeliverable, "550 at RCPT TO"),
        (("250 OK", "550 5.1.1 no such user", "554 no valid recipients"), Undeliverable, "550 at RCPT TO"),
        (("250 OK", "550 5.1.1 no such user", "354 go on"), Undeliverable, "550 at RCPT TO"),
        (("250 OK", "450 greylisted", "354 go on"), TryLater, "450 at RCPT TO"),
        (("250 OK", "450 greylisted", "503 RCPT first"), TryLater, "450 at RCPT TO"),
        (("250 OK", "554 5.7.1 Relay access denied", "354 go on"), TryLater, "554 at RCPT TO"),
        (("250 OK", "250 OK", "452 disk full"), TryLater, "452 at DATA"),
        (("250 OK", "250 OK", "554 looks like spam"), Undeliverable, "554 at DATA"),
        # Not what SMTP says to DATA: nothing was handed over, and what the server makes of that nobody knows.
        (("250 OK", "250 OK", "250 OK"), Unknown, "250 at DATA"),
    ],
)
async def test_each_answer_is_judged_by_itself_and_the_connection_stays_in_step(
    answers: tuple[str, str, str], outcome: type, words: str
) -> None:
    async with server(script={verb: [said] for verb, said in zip(ENVELOPE, answers, strict=True)}) as (
        wire,
        channel,
    ):
        found = await channel.send(outgoing())
        assert type(found) is outcome
        assert words in repr(found)
        assert isinstance(await channel.send(outgoing()), Delivered)
    accepted = answers[2].startswith("354")
    # DATA that was taken for nobody is ended by a dot alone: no line of the mail goes out before the next one's.
    assert [len(lines) > 1 for lines in wire.messages] == [False, True][not accepted :]
    assert [verb for verb in wire.verbs if verb != "QUIT"] == ["EHLO", *ENVELOPE, "RSET", *ENVELOPE]
    assert wire.connections == 1


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ({"MAIL": ["421 enough for one connection\r\nhang up"]}, Delivered),
        ({"MAIL": [HANG_UP]}, Delivered),
        ({"RCPT": [HANG_UP]}, TryLater),
        ({"DATA": [HANG_UP]}, Unknown),
        ({".": [HANG_UP]}, Unknown),
        ({".": ["what?"]}, Unknown),
        ({".": ["451 try again"]}, TryLater),
        ({".": ["554 looks like spam"]}, Undeliverable),
        ({".": ["250-2.0.0 one\r\n250 2.0.0 two"]}, Delivered),
    ],
)
async def test_a_server_that_hangs_up_or_refuses_late(script: dict[str, list[str]], outcome: type) -> None:
    async with server(script=script) as (_, channel):
        found = await channel.send(outgoing())
        assert type(found) is outcome, found
        assert LINK not in repr(found)
        assert isinstance(await channel.send(outgoing()), Delivered)
