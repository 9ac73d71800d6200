from dataclasses import replace
from typing import Any

import pytest

from services.notifier.channels.smtp import SmtpChannel, SmtpServer
from services.notifier.outcomes import Delivered, Outcome, TryLater
from tests.certificates import Certificates, make_certificates
from tests.integration.channels.messages import outgoing
from tests.integration.channels.smtp_server import PASSWORD, ScriptedServer, scripted_server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def _send(settings: SmtpServer, server: ScriptedServer, times: int = 1) -> list[Outcome]:
    channel = SmtpChannel(replace(settings, port=server.port), "login@acme.example")
    try:
        return [await channel.send(outgoing()) for _ in range(times)]
    finally:
        await channel.close()


async def test_starttls_sends_over_tls_and_signs_in(certificates: Certificates) -> None:
    settings = SmtpServer(
        "127.0.0.1",
        0,
        "mailer",
        PASSWORD.decode(),
        "starttls",
        timeout_seconds=5,
        tls_context=certificates.client,
    )
    async with scripted_server(starttls=certificates.server, auth_required=True) as server:
        outcomes = await _send(settings, server, times=2)
        assert all(isinstance(outcome, Delivered) for outcome in outcomes), outcomes
        assert len(server.mails) == 2
        assert server.commands.count("AUTH") == 1  # the second mail went over the same connection


async def test_tls_from_the_first_byte(certificates: Certificates) -> None:
    settings = SmtpServer("127.0.0.1", 0, tls="tls", timeout_seconds=5, tls_context=certificates.client)
    async with scripted_server(tls=certificates.server) as server:
        assert isinstance((await _send(settings, server))[0], Delivered)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_server_with_a_strangers_certificate_gets_nothing(
    certificates: Certificates, tls: str
) -> None:
    settings = SmtpServer(
        "127.0.0.1", 0, "mailer", PASSWORD.decode(), timeout_seconds=5, tls_context=certificates.stranger
    )
    contexts: dict[str, Any] = {tls: certificates.server}
    async with scripted_server(**contexts) as server:
        outcome = (await _send(replace(settings, tls="tls" if tls == "tls" else "starttls"), server))[0]
        assert isinstance(outcome, TryLater), outcome
        assert "AUTH" not in server.commands
        assert server.mails == []


async def test_a_server_that_offers_no_starttls_gets_neither_password_nor_mail() -> None:
    settings = SmtpServer("127.0.0.1", 0, "mailer", PASSWORD.decode(), "starttls", timeout_seconds=5)
    async with scripted_server(auth_require_tls=False) as server:  # as a man in the middle would leave it
        outcome = (await _send(settings, server))[0]
        assert isinstance(outcome, TryLater), outcome
        assert "AUTH" not in server.commands
        assert server.mails == []


async def test_a_wrong_password_is_our_fault_and_not_the_recipients(certificates: Certificates) -> None:
    settings = SmtpServer(
        "127.0.0.1", 0, "mailer", "battery staple", timeout_seconds=5, tls_context=certificates.client
    )
    async with scripted_server(starttls=certificates.server, auth_required=True) as server:
        outcome = (await _send(settings, server))[0]
        assert isinstance(outcome, TryLater), outcome
        assert "535" in outcome.reason
        assert "battery" not in repr(outcome) + repr(settings)
