import asyncio
from typing import Any, cast

import aiosmtplib
import pytest

from services.notifier.channels.mail import Mail
from services.notifier.channels.smtp import Stage, _Attempt, _hand_over
from services.notifier.channels.smtp_dialogue import Dialogue


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Smtp:
    def __init__(self) -> None:
        self.transport = Transport()

    def supports_extension(self, name: str) -> bool:
        return name == "pipelining"


def dialogue() -> tuple[Dialogue, Transport]:
    smtp = Smtp()
    return Dialogue(cast("Any", smtp)), smtp.transport


async def test_replies_come_in_order_however_they_are_cut_up() -> None:
    wire, transport = dialogue()
    wire.say(b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>")
    assert transport.written == b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
    waiting = asyncio.create_task(wire.reply())
    for byte in b"250-one \r\n250 two\r\n550 5.1.1 no\n":
        await asyncio.sleep(0)
        wire.data_received(bytes([byte]))
    assert await waiting == (250, "one\ntwo")
    assert await wire.reply() == (550, "5.1.1 no")


async def test_what_nobody_asked_for_is_no_answer_to_the_next_command() -> None:
    wire, _ = dialogue()
    wire.data_received(b"250 by the way\r\n")
    wire.say(b"NOOP")
    wire.data_received(b"251 OK\r\n252 and more\r\n")
    assert (await wire.reply()).code == 251
    wire.say(b"NOOP")
    wire.data_received(b"253 OK\r\n")
    assert (await wire.reply()).code == 253


@pytest.mark.parametrize("said", [b"what?\r\n", b"25O OK\r\n", b"\r\n", b"250-" + b"x" * 40_000])
async def test_what_is_not_smtp_ends_the_connection(said: bytes) -> None:
    wire, transport = dialogue()
    wire.say(b"NOOP")
    wire.data_received(said)
    with pytest.raises(aiosmtplib.SMTPResponseException) as raised:
        await wire.reply()
    assert raised.value.code == -1
    assert transport.closed


async def test_a_lost_connection_ends_the_wait_and_what_came_before_still_counts() -> None:
    wire, transport = dialogue()
    wire.say(b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>")
    wire.data_received(b"250 OK\r\n")
    transport.closed = True
    wire.connection_lost(None)
    assert (await wire.reply()).code == 250
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await wire.reply()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        wire.say(b"NOOP")


async def test_421_closes_the_connection_as_the_server_will() -> None:
    wire, transport = dialogue()
    wire.say(b"NOOP")
    wire.data_received(b"421 closing\r\n")
    assert (await wire.reply()).code == 421
    assert transport.closed


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".a\r\n..\r\n.\r\nb.\r\n", b"..a\r\n...\r\n..\r\nb.\r\n.\r\n"),
    ],
)
async def test_dots_at_the_beginning_of_lines_are_doubled(message: bytes, written: bytes) -> None:
    wire, transport = dialogue()
    wire.hand_over(message)
    assert transport.written == written


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (b"a\n.\n", b"a\r\n..\r\n.\r\n"),
        (b"a\n.\r\n", b"a\r\n..\r\n.\r\n"),
        (b"a\r.\r\n", b"a\r\n..\r\n.\r\n"),
        (b"a\r\n.\r\rb\r\n", b"a\r\n..\r\n\r\nb\r\n.\r\n"),
        (b"a\r\nb", b"a\r\nb\r\n.\r\n"),
        (b"\n\r\r\n", b"\r\n\r\n\r\n.\r\n"),
    ],
)
async def test_a_lone_line_end_never_goes_out(message: bytes, written: bytes) -> None:
    wire, transport = dialogue()
    wire.hand_over(message)
    assert transport.written == written


async def test_a_control_character_never_goes_out() -> None:
    wire, transport = dialogue()
    with pytest.raises(ValueError, match="control"):
        wire.say(b"NOOP", b"MAIL FROM:<a\r\nRSET>")
    assert transport.written == b""


async def test_a_connection_that_is_gone_before_anything_was_said_counts_as_such() -> None:
    wire, transport = dialogue()
    transport.closed = True
    attempt = _Attempt(Mail("a@b", "c@d", "<1@b>", b"x\r\n", needs_utf8=False), 1.0, lambda: 0.0)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await _hand_over(wire, attempt)
    assert attempt.stage is Stage.SENDER
