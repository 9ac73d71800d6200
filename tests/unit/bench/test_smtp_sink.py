"""The benchmark's mail server: quick, but it answers as RFC 5321 wants it."""

import asyncio
from typing import cast

import pytest

from bench.references.smtp import Session, Taken


class Wire:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.lines += data.decode().splitlines()

    def close(self) -> None:
        self.closed = True


def connected() -> tuple[Session, Wire, Taken]:
    taken, wire = Taken(), Wire()
    session = Session(taken)
    session.connection_made(cast("asyncio.Transport", wire))
    return session, wire, taken


def codes(wire: Wire) -> list[str]:
    return [line[:3] for line in wire.lines if line[3] == " "]


def test_a_message_is_taken_once_its_end_has_come_however_it_is_cut_up() -> None:
    session, wire, taken = connected()
    dialogue = (
        b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n.. dots\r\n.\r\nQUIT\r\n"
    )
    for byte in dialogue:
        assert taken.count == (1 if wire.lines[-1].startswith("250 2.0.0 OK: taken") else taken.count)
        session.data_received(bytes([byte]))
    assert codes(wire) == ["220", "250", "250", "250", "354", "250", "221"]
    assert taken.last == b"Subject: x\r\n\r\n.. dots\r\n"
    assert taken.count == 1
    assert wire.closed


def test_commands_that_come_at_once_are_answered_in_their_order() -> None:
    session, wire, taken = connected()
    session.data_received(b"EHLO a\r\n")
    assert "250-PIPELINING" in wire.lines
    session.data_received(b"RCPT TO:<c@d>\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
    assert codes(wire)[2:] == ["503", "250", "250", "354"]
    assert taken.count == 0


def test_an_empty_message_ends_with_a_dot_at_once() -> None:
    session, wire, taken = connected()
    session.data_received(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n")
    assert codes(wire)[-1] == "250"
    assert (taken.count, taken.last) == (1, b"")


@pytest.mark.parametrize(
    ("dialogue", "code"),
    [
        (b"RCPT TO:<c@d>\r\n", "503"),
        (b"DATA\r\n", "503"),
        (b"MAIL FROM:<a@b>\r\nDATA\r\n", "503"),
        (b"MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "503"),
        (b"MAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<c@d>\r\n", "503"),
        (b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nDATA\r\n", "503"),
        (b"STARTTLS\r\n", "502"),
    ],
)
def test_a_command_out_of_its_place_is_refused(dialogue: bytes, code: str) -> None:
    session, wire, _ = connected()
    session.data_received(dialogue)
    assert codes(wire)[-1] == code
