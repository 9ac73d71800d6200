from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.issuer.reading import attempt_view, message_view, timeline

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def link(**columns: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("consumed_at", "consumed_via", "revoked_at", "exchanged_at"))
    return {**empty, "created_at": NOON, "expires_at": at(15), "read_at": at(1), **columns}


def names(row: dict[str, Any]) -> list[str]:
    return [event["event"] for event in timeline(row, [], [])]


def message(message_id: UUID, **columns: Any) -> dict[str, Any]:
    row = {
        "id": message_id, "link_id": uuid4(), "channel": "email", "recipient": "ann@shop.example", "locale": "en",
        "template": None, "lane": "interactive", "status": "accepted", "attempts": 1, "provider": "smtp", "provider_id": None,
        "last_error": None, "created_at": NOON, "accepted_at": None, "updated_at": at(1),
    }  # fmt: skip
    return row | columns


def test_a_link_nobody_used_expires() -> None:
    assert names(link(read_at=at(14))) == ["issued"]
    assert names(link(read_at=at(16))) == ["issued", "expired"]


def test_a_link_that_was_used_or_revoked_in_time_did_not_expire() -> None:
    assert names(link(consumed_at=at(2), exchanged_at=at(3), read_at=at(99))) == [
        "issued",
        "consumed",
        "exchanged",
    ]
    assert names(link(revoked_at=at(2), read_at=at(99))) == ["issued", "revoked"]


def test_a_link_revoked_late_expired_first() -> None:
    assert names(link(revoked_at=at(20), read_at=at(99))) == ["issued", "expired", "revoked"]


def test_a_message_under_way_shows_as_sending() -> None:
    told = timeline(link(), [message(uuid4(), status="sending")], [])
    assert [event["event"] for event in told] == ["issued", "queued", "sending"]


def test_attempts_stand_between_the_other_events_by_time() -> None:
    sent = message(uuid4(), status="delivered", updated_at=at(4))
    attempt = {
        "message_id": sent["id"], "attempt": 1, "started_at": at(1), "finished_at": at(2), "outcome": "accepted",
        "provider": "smtp", "provider_id": "x", "detail": "250 ok",
    }  # fmt: skip
    told = timeline(link(consumed_at=at(3)), [sent], [attempt])
    assert [event["event"] for event in told] == [
        "issued", "queued", "sending", "accepted", "consumed", "delivered",
    ]  # fmt: skip
    assert (told[3]["provider_id"], told[3]["detail"]) == ("x", "250 ok")


def test_a_hidden_recipient_is_hidden_in_the_providers_words_too() -> None:
    row = message(uuid4(), last_error="550 ANN@shop.example: unknown, ann@shop.example")
    hidden = message_view(row, show_recipient=False)
    assert (hidden["recipient"], "ann@" in hidden["last_error"].lower()) == ("a•••@shop.example", False)
    assert message_view(row, show_recipient=True)["last_error"] == row["last_error"]
    attempt = {
        "message_id": row["id"], "attempt": 1, "started_at": NOON, "finished_at": NOON, "outcome": "failed",
        "provider": "smtp", "provider_id": None, "detail": "no Ann@Shop.example here",
    }  # fmt: skip
    assert attempt_view(attempt, ["ann@shop.example"])["detail"] == "no a•••@shop.example here"


def test_a_message_that_ended_without_an_attempt_is_told_once() -> None:
    taken_back = message(uuid4(), status="revoked")
    assert [event["event"] for event in timeline(link(), [taken_back], [])] == ["issued", "queued", "revoked"]
    attempt = {
        "message_id": taken_back["id"], "attempt": 1, "started_at": at(1), "finished_at": at(1), "outcome": "revoked",
        "provider": None, "provider_id": None, "detail": "the link was consumed",
    }  # fmt: skip
    told = timeline(link(), [taken_back], [attempt])
    assert [event["event"] for event in told] == ["issued", "queued", "sending", "revoked"]


def test_other_events_stand_in_their_place_by_time() -> None:
    visit = {"at": at(1), "event": "visited", "visitor": "browser"}
    told = timeline(link(consumed_at=at(2)), [message(uuid4())], [], [visit])
    assert [event["event"] for event in told] == ["issued", "queued", "visited", "consumed"]
