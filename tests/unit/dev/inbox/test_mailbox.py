from datetime import UTC, datetime

import pytest

from services.dev.inbox.mailbox import CaughtMessage, Channel, Filter, Mailbox
from services.dev.inbox.statuses import Report


def caught(message_id: str, to: str = "ada@example.com", channel: Channel = "email") -> CaughtMessage:
    return CaughtMessage(
        id=message_id,
        channel=channel,
        to=to,
        sender="login@demo.example",
        subject="Sign in",
        text="",
        html=None,
        links=(),
        received_at=datetime(2026, 1, 2, tzinfo=UTC),
        headers=(),
        source=b"",
    )


def test_messages_come_newest_first_and_the_oldest_are_forgotten() -> None:
    mailbox = Mailbox(capacity=2)
    for message_id in ("a", "b", "c"):
        mailbox.add(caught(message_id))
    assert [message.id for message in mailbox.newest_first()] == ["c", "b"]
    assert mailbox.get("a") is None


def test_the_default_capacity_is_a_thousand() -> None:
    mailbox = Mailbox()
    for number in range(1_001):
        mailbox.add(caught(str(number)))
    assert len(mailbox) == 1_000


@pytest.mark.parametrize("to", ["+15550100", " 15550100", "whatsapp:+15550100"])
def test_a_number_is_found_however_it_is_written(to: str) -> None:
    mailbox = Mailbox()
    mailbox.add(caught("a", to="+15550100", channel="whatsapp"))
    mailbox.add(caught("b", to="+15550101", channel="whatsapp"))
    assert [message.id for message in mailbox.newest_first(Filter(to=to))] == ["a"]
    assert mailbox.newest_first(Filter(to=to, channel="sms")) == []


def test_an_address_is_found_without_regard_to_case() -> None:
    mailbox = Mailbox()
    mailbox.add(caught("a", to="Ada@Example.com"))
    assert mailbox.newest_first(Filter(to="ada@example.COM"))


def test_every_word_of_a_search_must_stand_somewhere() -> None:
    mailbox = Mailbox()
    mailbox.add(caught("a", to="Ada@example.com"))
    mailbox.add(caught("b", to="bob@example.com"))
    assert [m.id for m in mailbox.newest_first(Filter(words="SIGN ada@"))] == ["a"]
    assert mailbox.newest_first(Filter(words="sign carol")) == []


def test_a_report_and_a_reading_change_a_message_where_it_stands() -> None:
    told: list[tuple[str, str | None]] = []
    mailbox = Mailbox()
    mailbox.listen(lambda what, message: told.append((what, message.id if message else None)))
    for message_id in ("a", "b"):
        mailbox.add(caught(message_id))
    report = Report("queued", datetime(2026, 1, 2, tzinfo=UTC))
    mailbox.report("a", report)
    mailbox.answered("a", report, "HTTP 204")
    mailbox.note_reading("a", "a", "gone")
    assert mailbox.report("gone", report) is None
    message = mailbox.get("a")
    assert message is not None
    assert (message.status, message.reports[0].answer, message.unread) == ("queued", "HTTP 204", False)
    assert [m.id for m in mailbox.newest_first()] == ["b", "a"]
    assert mailbox.unread == 1
    assert told == [("caught", "a"), ("caught", "b"), *[("changed", "a")] * 3]
