import aiosmtplib
import pytest

from services.notifier.channels.smtp import Stage, outcome_of
from services.notifier.outcomes import TryLater, Undeliverable, Unknown

ANSWERS = [
    (450, "4.2.1 mailbox busy", Stage.RECIPIENT, TryLater),
    (451, "4.3.0 try again", Stage.DATA, TryLater),
    (421, "closing", Stage.CONNECT, TryLater),
    (554, "no service", Stage.CONNECT, TryLater),
    (535, "5.7.8 authentication failed", Stage.CONNECT, TryLater),
    (550, "5.7.1 sender rejected", Stage.SENDER, TryLater),
    (550, "5.1.1 no such user", Stage.RECIPIENT, Undeliverable),
    (554, "5.7.1 looks like spam", Stage.DATA, Undeliverable),
    # Not the recipient's fault: the server does not know us.
    (530, "5.7.0 must issue STARTTLS", Stage.RECIPIENT, TryLater),
    (554, "5.7.1 Relay access denied", Stage.RECIPIENT, TryLater),
    (550, "5.7.54 Unable to relay", Stage.RECIPIENT, TryLater),
    # Not SMTP.
    (-1, "Malformed SMTP response line", Stage.SENDER, TryLater),
    (-1, "Malformed SMTP response line", Stage.DATA, Unknown),
]


@pytest.mark.parametrize(("code", "words", "stage", "outcome"), ANSWERS)
def test_only_a_refusal_of_the_recipient_or_the_message_is_final(
    code: int, words: str, stage: Stage, outcome: type
) -> None:
    found = outcome_of(aiosmtplib.SMTPResponseException(code, words), stage)
    assert type(found) is outcome
    assert str(code) in repr(found)


@pytest.mark.parametrize(
    "error", [aiosmtplib.SMTPServerDisconnected("lost"), TimeoutError(), ConnectionResetError()]
)
@pytest.mark.parametrize("stage", list(Stage))
def test_silence_is_unknown_only_after_the_message_was_handed_over(error: Exception, stage: Stage) -> None:
    expected = Unknown if stage is Stage.DATA else TryLater
    assert type(outcome_of(error, stage)) is expected
