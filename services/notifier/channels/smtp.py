"""E-mail over SMTP (RFC 5321): one transaction an attempt, and each answer mapped to an outcome."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum

import aiosmtplib

from services.notifier.channels import Outgoing
from services.notifier.channels.mail import Mail, Mailbox, Unsendable, compose, mailbox
from services.notifier.channels.smtp_dialogue import CLOSING, SEND_THE_MESSAGE, Dialogue
from services.notifier.channels.smtp_pool import SmtpPool, SmtpServer
from services.notifier.outcomes import Delivered, Outcome, TryLater, Undeliverable, Unknown, provider_words
from shared.clock import Clock, monotonic
from shared.deadlines import Deadlines

__all__ = ["SmtpChannel", "SmtpServer"]

PROVIDER = "smtp"
_OK = 250
# 530, 535, 538: the server wants us to sign in, or otherwise.
_OUR_SIGN_IN = frozenset({530, 535, 538})


class Stage(Enum):
    """How far the attempt came; from DATA on, silence no longer means that nothing was sent."""

    CONNECT = "while connecting"
    SENDER = "at MAIL FROM"
    RECIPIENT = "at RCPT TO"
    DATA = "at DATA"


class _Attempt:
    """One mail on its way, and the time left for it.

    The time is counted here as well as by the channel's `Deadlines`: before Python 3.12 `wait_for`, which aiosmtplib waits
    with while it connects, can swallow a cancellation, and the next command would wait on.
    """

    def __init__(self, mail: Mail, timeout_seconds: float, clock: Clock) -> None:
        self.mail = mail
        self.stage = Stage.CONNECT
        self._clock = clock
        self._deadline = clock() + timeout_seconds

    def seconds_left(self) -> float:
        return max(self._deadline - self._clock(), 0.0)


class SmtpChannel:
    """Sends e-mail through one server with a pool of connections.

    `mail_from` is the sender of apps without their own, as `Example <login@example.com>`.

    Raises:
        Unsendable: `mail_from` is not an address.
    """

    def __init__(
        self,
        server: SmtpServer,
        mail_from: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = SmtpPool(server)
        self._deadlines = Deadlines(server.timeout_seconds)
        self._mail_from = mailbox(mail_from)
        self._now = now

    async def send(self, message: Outgoing) -> Outcome:
        try:
            sender = self._sender(message)
            attempt = _Attempt(compose(message, sender, self._now()), self._deadlines.seconds, monotonic)
        except _BadSender as error:
            return TryLater(str(error))
        except Unsendable as error:
            return Undeliverable(str(error))
        try:
            with self._deadlines.limit():
                return await self._transact_twice(attempt)
        except (aiosmtplib.SMTPException, OSError) as error:  # TimeoutError is an OSError
            return outcome_of(error, attempt.stage)

    async def close(self) -> None:
        await self._pool.close()

    def _sender(self, message: Outgoing) -> Mailbox:
        if message.sender is None:
            return self._mail_from
        try:
            return mailbox(message.sender)
        except Unsendable as error:
            raise _BadSender(f"the app's sender is wrong: {error}") from None

    async def _transact_twice(self, attempt: _Attempt) -> Outcome:
        try:
            return await self._transact(attempt)
        except aiosmtplib.SMTPServerDisconnected:
            if attempt.stage is not Stage.SENDER:
                raise
        # A kept connection ended between two messages; nothing was said on it yet, so nobody need wait for a retry.
        return await self._transact(attempt)

    async def _transact(self, attempt: _Attempt) -> Outcome:
        attempt.stage = Stage.CONNECT
        async with self._pool.connection(attempt.seconds_left()) as lent:
            if not attempt.seconds_left():
                raise TimeoutError
            if attempt.mail.needs_utf8 and not lent.wire.offers_utf8:
                return Undeliverable("the address needs SMTPUTF8, which the mail server does not offer")
            try:
                return await _hand_over(lent.wire, attempt)
            except aiosmtplib.SMTPResponseException as error:
                if error.code == CLOSING and attempt.stage is Stage.SENDER:
                    # Many servers take so many messages a connection and then say 421.
                    raise aiosmtplib.SMTPServerDisconnected(f"421 {error.message}") from None
                # The server refused this message, not this connection. The reset waits for the next message: if
                # it failed now, it would hide a refusal that is final.
                lent.needs_reset = True
                return outcome_of(error, attempt.stage)


class _BadSender(Exception):  # noqa: N818 - states the fact
    """Our configuration, not the recipient, is at fault."""


async def _hand_over(wire: Dialogue, attempt: _Attempt) -> Outcome:
    """Say what the mail needs, at once where the server takes that (RFC 2920): three round trips become one.

    Each reply is judged before the next one, and nothing of the message goes out before the server asked for it, so it matters to
    no outcome how the commands were written.
    """
    commands = _commands(wire, attempt.mail)
    attempt.stage = Stage.SENDER
    if wire.offers_pipelining:
        wire.say(*commands.values())
    for stage, command in commands.items():
        attempt.stage = stage
        if not wire.offers_pipelining:
            wire.say(command)
        answer = await wire.reply()
        if not _goes_on(stage, answer.code):
            raise aiosmtplib.SMTPResponseException(*answer)
    wire.hand_over(attempt.mail.source)
    answer = await wire.reply()
    if not 200 <= answer.code < 300:
        raise aiosmtplib.SMTPResponseException(*answer)
    return Delivered(PROVIDER, attempt.mail.message_id, provider_words(answer.message.rpartition("\n")[2]))


def _commands(wire: Dialogue, mail: Mail) -> dict[Stage, bytes]:
    options = " SMTPUTF8 BODY=8BITMIME" if mail.needs_utf8 else ""
    if wire.offers_size:
        options += f" SIZE={len(mail.source)}"
    return {
        Stage.SENDER: f"MAIL FROM:<{mail.sender}>{options}".encode(),
        Stage.RECIPIENT: f"RCPT TO:<{mail.recipient}>".encode(),
        Stage.DATA: b"DATA",
    }


def _goes_on(stage: Stage, code: int) -> bool:
    if stage is Stage.RECIPIENT:
        return 200 <= code < 300  # 250, 251 "will forward", 252 "will try"
    return code == (_OK if stage is Stage.SENDER else SEND_THE_MESSAGE)


def outcome_of(error: Exception, stage: Stage) -> Outcome:
    """Map what went wrong at `stage`.

    Only a refusal of this recipient or this message is final. A refusal of us (sign-in, sender, relaying) or of the
    connection is an outage or a mistake in our set-up, and an outage never fails a message for good (G3).
    """
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _outcome_of_answer(error, stage)
    words = f"{stage.value}: {_name(error)}"
    # No answer after DATA: the final dot may have reached the server, and the message may be on its way.
    return Unknown(words) if stage is Stage.DATA else TryLater(words)


def _outcome_of_answer(error: aiosmtplib.SMTPResponseException, stage: Stage) -> Outcome:
    words = f"{error.code} {stage.value}: {provider_words(error.message)}"
    if not 400 <= error.code < 600:  # not SMTP: after DATA nobody knows what it means
        return Unknown(words) if stage is Stage.DATA else TryLater(words)
    ours = error.code in _OUR_SIGN_IN or "relay" in error.message.lower()
    final = error.code >= 500 and stage in {Stage.RECIPIENT, Stage.DATA} and not ours
    return Undeliverable(words) if final else TryLater(words)


def _name(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return provider_words(str(error)) or type(error).__name__
