"""A mail server that takes everything at once, and a raw aiosmtplib loop to compare the notifier with.

    python -m bench.references.smtp sink --port 8080 --smtp-port 2525
    python -m bench.references.smtp loop --smtp-port 2525 --connections 8 --count 10000 --message FILE

The sink answers as RFC 5321 wants it, takes several commands at once (RFC 2920), and keeps nothing but counts and the last message: aiosmtpd
works longer on a message than the notifier may, and would be what is measured. On `--port` it tells what it took:
`/taken` gives `{count, first_at, last_at}`, `/last` the last message, `/wait?count=N` answers when N were taken. Times are
CLOCK_MONOTONIC's, which all processes of a machine share.
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import aiosmtplib
import uvloop
from aiohttp import web

HOST = "127.0.0.1"
_GREETING = b"220 sink.example ESMTP\r\n"
_EXTENSIONS = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 10485760\r\n"
_END = b"\r\n.\r\n"


class Taken:
    """What the sink took."""

    def __init__(self) -> None:
        self.count = 0
        self.first_at = 0.0
        self.last_at = 0.0
        self.last = b""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def take(self, message: bytes) -> None:
        self.last_at = time.monotonic()
        if not self.count:
            self.first_at = self.last_at
        self.count += 1
        self.last = message
        if self._waiting:
            for count, waiting in self._waiting:
                if self.count >= count and not waiting.done():
                    waiting.set_result(None)

    async def until(self, count: int) -> None:
        if self.count >= count:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append((count, waiting))
        try:
            await waiting
        finally:
            self._waiting.remove((count, waiting))

    def facts(self) -> dict[str, float]:
        return {"count": self.count, "first_at": self.first_at, "last_at": self.last_at}


class Session(asyncio.Protocol):
    """One connection: a command, a reply, as often as the client likes."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._read = self._replies_to_go = b""
        self._in_data = self._is_over = False
        # Whether MAIL and RCPT came: each command is good only after the one before it.
        self._has_sender = self._has_recipient = False
        self._transport: asyncio.Transport | None = None
        self._replies: dict[bytes, Callable[[], bytes]] = {
            b"EHLO": lambda: self._reset(_EXTENSIONS),
            b"HELO": lambda: self._reset(b"250 sink.example\r\n"),
            b"MAIL": self._mail,
            b"RCPT": self._recipient,
            b"DATA": self._data,
            b"RSET": lambda: self._reset(b"250 2.0.0 OK\r\n"),
            b"NOOP": lambda: b"250 2.0.0 OK\r\n",
            b"QUIT": lambda: b"221 2.0.0 Bye\r\n",
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while self._message() if self._in_data else self._command():
            pass
        # The replies to commands that came at once go at once, too (RFC 2920 section 3.2).
        replies, self._replies_to_go = self._replies_to_go, b""
        if self._transport is not None and replies:
            self._transport.write(replies)
            if self._is_over:
                self._transport.close()

    def _message(self) -> bool:
        # The dot that ends an empty message stands at its very beginning.
        end = 0 if self._read.startswith(_END[2:]) else self._read.find(_END) + 2
        if end == 1:
            return False
        message, self._read = self._read[:end], self._read[end + 3 :]
        self._in_data = False
        self._taken.take(message)
        self._write(self._reset(b"250 2.0.0 OK: taken\r\n"))
        return True

    def _command(self) -> bool:
        line, mark, rest = self._read.partition(b"\r\n")
        if not mark:
            return False
        self._read = rest
        verb = line[:4].upper()
        reply = self._replies.get(verb)
        self._write(reply() if reply else b"502 5.5.1 Command not implemented\r\n")
        self._is_over = verb == b"QUIT"
        return not self._is_over

    def _mail(self) -> bytes:
        if self._has_sender:
            return b"503 5.5.1 Nested MAIL\r\n"
        self._has_sender = True
        return b"250 2.1.0 OK\r\n"

    def _recipient(self) -> bytes:
        if not self._has_sender:
            return b"503 5.5.1 MAIL first\r\n"
        self._has_recipient = True
        return b"250 2.1.5 OK\r\n"

    def _data(self) -> bytes:
        if not self._has_recipient:
            return b"503 5.5.1 RCPT first\r\n"
        self._in_data = True
        return b"354 End with <CR><LF>.<CR><LF>\r\n"

    def _reset(self, reply: bytes) -> bytes:
        self._has_sender = self._has_recipient = False
        return reply

    def _write(self, reply: bytes) -> None:
        self._replies_to_go += reply


async def serve(port: int, smtp_port: int) -> None:
    """Take mail until killed."""
    taken = Taken()
    await asyncio.get_running_loop().create_server(lambda: Session(taken), HOST, smtp_port)

    async def wait(request: web.Request) -> web.Response:
        await taken.until(int(request.query["count"]))
        return web.json_response(taken.facts())

    async def facts(_: web.Request) -> web.Response:
        return web.json_response(taken.facts())

    async def forget(_: web.Request) -> web.Response:
        taken.count = 0
        return web.Response()

    async def last(_: web.Request) -> web.Response:
        return web.Response(body=taken.last)

    app = web.Application()
    app.add_routes([web.get("/readyz", facts), web.get("/taken", facts), web.delete("/taken", forget)])
    app.add_routes([web.get("/wait", wait), web.get("/last", last)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    await asyncio.Event().wait()


async def send(smtp_port: int, connections: int, count: int, message: bytes) -> dict[str, float]:
    """Send the message so often over so many connections, each in a loop; return seconds and CPU seconds."""
    opened = [
        aiosmtplib.SMTP(hostname=HOST, port=smtp_port, start_tls=False, local_hostname="bench.example")
        for _ in range(connections)
    ]
    for smtp in opened:
        await smtp.connect()
    left = iter(range(count))

    async def loop(smtp: aiosmtplib.SMTP) -> None:
        for number in left:
            await smtp.sendmail("sign-in@example.com", [f"u{number}@example.com"], message)

    started, spent = time.monotonic(), _cpu_seconds()
    await asyncio.gather(*map(loop, opened))
    told = {"count": count, "seconds": time.monotonic() - started, "cpu_seconds": _cpu_seconds() - spent}
    for smtp in opened:
        await smtp.quit()
    return told


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("sink", "loop"))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--message", type=Path)
    asked = parser.parse_args()
    if asked.mode == "sink":
        uvloop.run(serve(asked.port, asked.smtp_port))
    else:
        print(
            json.dumps(
                uvloop.run(send(asked.smtp_port, asked.connections, asked.count, asked.message.read_bytes()))
            )
        )


if __name__ == "__main__":
    main()
