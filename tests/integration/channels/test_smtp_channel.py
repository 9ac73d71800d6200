import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email import message_from_bytes
from email.policy import default
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from services.notifier.channels.mail import Unsendable
from services.notifier.channels.smtp import SmtpChannel, SmtpServer
from services.notifier.outcomes import Delivered, TryLater, Undeliverable, Unknown
from tests.integration.channels.messages import LINK, outgoing
from tests.integration.channels.smtp_server import CLOSE, SILENCE, ScriptedServer
from tests.integration.channels.smtp_server import scripted_server as server_of_aiosmtpd

Servers = Callable[..., AbstractAsyncContextManager[ScriptedServer]]


@pytest.fixture(params=[False, True], ids=["one by one", "pipelined"])
def scripted_server(request: pytest.FixtureRequest) -> Servers:
    """Servers that take one command at a time, or several: no outcome may depend on it."""
    return partial(server_of_aiosmtpd, pipelining=request.param)


@asynccontextmanager
async def channel_to(port: int, **settings: Any) -> AsyncIterator[SmtpChannel]:
    options: dict[str, Any] = {"tls": "none", "timeout_seconds": 5.0, **settings}
    channel = SmtpChannel(SmtpServer("127.0.0.1", port, **options), "Acme, Inc. <login@acme.example>")
    try:
        yield channel
    finally:
        await channel.close()


async def test_a_mail_arrives_and_the_servers_last_words_are_kept(scripted_server: Servers) -> None:
    message_id = UUID(int=7)
    async with scripted_server() as server, channel_to(server.port) as channel:
        outcome = await channel.send(outgoing(message_id=message_id))
    assert outcome == Delivered("smtp", f"<{message_id}@acme.example>", "2.0.0 queued as 4F7A")
    mail = message_from_bytes(server.mails[0], policy=default)
    assert mail["From"] == '"Acme, Inc." <login@acme.example>'
    assert mail["Message-ID"] == f"<{message_id}@acme.example>"
    assert LINK in mail.get_body(("plain",)).get_content().splitlines()  # type: ignore[union-attr]
    assert server.envelopes[0][:2] == ("login@acme.example", ["jo@example.com"])


async def test_an_apps_own_sender_goes_before_the_default(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        await channel.send(outgoing(sender="Shop <hello@shop.example>"))
        bad = await channel.send(outgoing(sender="Shop <hello@shop.example>\r\nBcc: x@evil.example"))
    assert server.envelopes[0][0] == "hello@shop.example"
    assert isinstance(bad, TryLater)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("stage", "answer", "outcome"),
    [
        ("CONNECT", "421 too busy", TryLater),
        ("CONNECT", "554 no service here", TryLater),
        ("CONNECT", CLOSE, TryLater),
        ("EHLO", "550 go away", TryLater),
        ("EHLO", CLOSE, TryLater),
        ("MAIL", "451 later", TryLater),
        ("MAIL", "550 5.7.1 sender not allowed", TryLater),
        ("RCPT", "450 greylisted", TryLater),
        ("RCPT", "421 closing", TryLater),
        ("RCPT", "550 5.1.1 no such user", Undeliverable),
        ("RCPT", "554 5.7.1 Relay access denied", TryLater),
        ("RCPT", "530 5.7.0 authentication required", TryLater),
        ("RCPT", "251 will forward", Delivered),
        ("RCPT", "252 will try", Delivered),
        ("RCPT", CLOSE, TryLater),
        ("DATA", "452 disk full", TryLater),
        ("DATA", "554 looks like spam", Undeliverable),
        ("DATA", "251 taken", Delivered),
        ("DATA", CLOSE, Unknown),
        ("DATA", "what?", Unknown),
    ],
)
async def test_each_answer_at_each_stage_is_its_own_outcome(
    scripted_server: Servers, stage: str, answer: str, outcome: type
) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        server.answers[stage] = [answer]
        found = await channel.send(outgoing())
        assert type(found) is outcome, found
        assert LINK not in repr(found)
        # One bad answer leaves the channel usable.
        assert isinstance(await channel.send(outgoing()), Delivered)


@pytest.mark.parametrize(
    ("stage", "outcome"), [("CONNECT", TryLater), ("MAIL", TryLater), ("RCPT", TryLater), ("DATA", Unknown)]
)
async def test_a_silent_server_costs_one_timeout_and_only_after_data_is_the_outcome_unknown(
    scripted_server: Servers, stage: str, outcome: type
) -> None:
    async with scripted_server() as server, channel_to(server.port, timeout_seconds=0.3) as channel:
        server.answers[stage] = [SILENCE]
        started = asyncio.get_running_loop().time()
        found = await channel.send(outgoing())
        assert type(found) is outcome
        assert "timed out" in repr(found)
        assert asyncio.get_running_loop().time() - started < 1.5
        assert isinstance(await channel.send(outgoing()), Delivered)


async def test_waiting_for_the_pool_counts_against_the_one_timeout(scripted_server: Servers) -> None:
    async with (
        scripted_server() as server,
        channel_to(server.port, timeout_seconds=0.5, pool_size=1) as channel,
    ):
        server.answers["RCPT"] = [SILENCE] * 3
        started = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*(channel.send(outgoing()) for _ in range(3)))
        assert asyncio.get_running_loop().time() - started < 0.9
    assert all(isinstance(outcome, TryLater) for outcome in outcomes)


async def test_many_slow_answers_count_against_the_one_timeout(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port, timeout_seconds=0.5) as channel:
        server.delays_seconds = {"CONNECT": 0.45, "EHLO": 0.45}
        started = asyncio.get_running_loop().time()
        assert isinstance(await channel.send(outgoing()), TryLater)
        assert asyncio.get_running_loop().time() - started < 0.75


async def test_a_final_refusal_stands_even_if_the_server_then_falls_silent(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port, timeout_seconds=0.3) as channel:
        server.answers = {"DATA": ["554 looks like spam"], "RSET": [SILENCE]}
        assert isinstance(await channel.send(outgoing()), Undeliverable)


async def test_a_refused_message_costs_no_connection(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        server.answers["RCPT"] = ["550 5.1.1 no such user"]
        assert isinstance(await channel.send(outgoing()), Undeliverable)
        assert isinstance(await channel.send(outgoing()), Delivered)
        assert server.commands == ["CONNECT", "EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


async def test_a_refused_connection_is_tried_later() -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        async with channel_to(taken.getsockname()[1]) as channel:
            assert isinstance(await channel.send(outgoing()), TryLater)


async def test_a_quoted_link_does_not_stand_in_the_outcome(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        server.answers["DATA"] = [f"554 5.7.1 blocked by {LINK}"]
        outcome = await channel.send(outgoing())
    assert isinstance(outcome, Undeliverable)
    assert outcome.reason == "554 at DATA: 5.7.1 blocked by [link]"


async def test_connections_are_reused_and_never_more_than_the_pool_allows(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port, pool_size=3) as channel:
        outcomes = await asyncio.gather(*(channel.send(outgoing()) for _ in range(30)))
        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert len(server.sessions) == 3
        assert len(server.mails) == 30


async def test_a_connection_that_the_server_closed_is_replaced(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        await channel.send(outgoing())
        server.hang_up()
        assert isinstance(await channel.send(outgoing()), Delivered)
        # Closed in the very moment of use, or after so many messages: once more on a new one, without waiting.
        server.answers["MAIL"] = [CLOSE]
        assert isinstance(await channel.send(outgoing()), Delivered)
        server.answers["MAIL"] = ["421 enough for one connection"]
        assert isinstance(await channel.send(outgoing()), Delivered)
    assert len(server.mails) == 4


async def test_a_server_that_always_closes_is_not_asked_forever(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        server.answers["MAIL"] = [CLOSE] * 10
        assert isinstance(await channel.send(outgoing()), TryLater)
        server.answers["MAIL"] = ["421 closing"] * 10
        assert isinstance(await channel.send(outgoing()), TryLater)
    assert len(server.sessions) == 4


async def test_an_idle_connection_is_asked_before_it_is_trusted(
    scripted_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.channels.smtp_pool.TRUSTED_IDLE_SECONDS", 0.0)
    async with scripted_server() as server, channel_to(server.port) as channel:
        await channel.send(outgoing())
        server.commands.clear()
        await channel.send(outgoing())
        assert server.commands == ["RSET", "MAIL", "RCPT", "DATA"]
        server.answers["RSET"] = ["421 closing"]
        assert isinstance(await channel.send(outgoing()), Delivered)
    assert len(server.sessions) == 2


async def test_a_connection_past_its_idle_limit_is_closed(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port, idle_seconds=0.05) as channel:
        await channel.send(outgoing())
        await asyncio.sleep(0.1)
        await channel.send(outgoing())
        assert len(server.sessions) == 2
        assert await _happens(lambda: server.open_sessions == 1)


async def test_close_leaves_no_connection_behind(scripted_server: Servers) -> None:
    async with scripted_server() as server:
        async with channel_to(server.port, pool_size=2) as channel:
            await asyncio.gather(*(channel.send(outgoing()) for _ in range(4)))
            assert server.open_sessions == 2
        assert await _happens(lambda: server.open_sessions == 0)


async def test_a_cancelled_send_leaves_no_half_finished_connection(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port, pool_size=1) as channel:
        server.answers["RCPT"] = [SILENCE]
        sending = asyncio.create_task(channel.send(outgoing()))
        assert await _happens(lambda: "RCPT" in server.commands)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await channel.send(outgoing()), Delivered)
        assert len(server.sessions) == 2


async def test_a_unicode_mailbox_goes_out_where_the_server_can_and_fails_clearly_where_not(
    scripted_server: Servers,
) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        assert isinstance(await channel.send(outgoing("jörg@bücher.example")), Delivered)
        assert server.envelopes[0][1] == ["jörg@xn--bcher-kva.example"]
        assert "SMTPUTF8" in server.envelopes[0][2]
    async with scripted_server(enable_SMTPUTF8=False) as server, channel_to(server.port) as channel:
        outcome = await channel.send(outgoing("jörg@bücher.example"))
        assert isinstance(outcome, Undeliverable)
        assert "SMTPUTF8" in outcome.reason
        assert isinstance(await channel.send(outgoing("jo@bücher.example")), Delivered)


async def test_an_address_that_could_end_a_command_never_reaches_the_server(scripted_server: Servers) -> None:
    async with scripted_server() as server, channel_to(server.port) as channel:
        outcome = await channel.send(outgoing("jo@example.com>\r\nRCPT TO:<x@evil.example"))
        assert isinstance(outcome, Undeliverable)
    assert server.commands == []


def test_a_wrong_default_sender_is_refused_before_anything_starts() -> None:
    with pytest.raises(Unsendable):
        SmtpChannel(SmtpServer("127.0.0.1", 25, tls="none"), "nobody")


async def _happens(condition: Callable[[], bool]) -> bool:
    for _ in range(100):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False
