from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.outcomes import Delivered, Outcome, TryLater, Undeliverable, Unknown
from services.notifier.retry import RetryRules, conclude
from services.notifier.store import Claimed, Finished
from shared.messages import MessageFacts


def rules(jitter: float = 0.0) -> RetryRules:
    return RetryRules(
        base_seconds=2,
        cap_seconds=300,
        queue_lease_seconds=60,
        callback_wait_seconds=240,
        jitter=lambda: jitter,
    )


def claimed(channel: str = "email", attempt: int = 1, seconds_left: float = 900) -> Claimed:
    message_id, link_id, app_id, user_id = (UUID(int=number) for number in range(4))
    facts = MessageFacts(message_id, link_id, app_id, user_id, channel, "interactive")
    return Claimed(facts, attempt, 0, {"seconds_left": seconds_left}, datetime(2026, 1, 1, tzinfo=UTC))


def end(outcome: Outcome, message: Claimed | None = None, with_rules: RetryRules | None = None) -> Finished:
    return conclude(message or claimed(), outcome, with_rules or rules())


def test_a_message_that_was_taken_is_accepted_and_holds_no_lease() -> None:
    finished = end(Delivered("smtp", "id-1", "250 ok"))
    assert (finished.status, finished.provider, finished.provider_id) == ("accepted", "smtp", "id-1")
    assert finished.lease_seconds is None
    assert finished.retry_seconds is None


@pytest.mark.parametrize("channel", ["email", "sms", "whatsapp"])
def test_a_message_that_can_never_arrive_fails_for_good(channel: str) -> None:
    finished = end(Undeliverable("550 no such user"), claimed(channel))
    assert (finished.status, finished.detail) == ("failed", "550 no such user")
    assert finished.lease_seconds is None
    assert finished.retry_seconds is None


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_an_sms_of_unknown_outcome_waits_for_its_status_callback(channel: str) -> None:
    finished = end(Unknown("no answer"), claimed(channel))
    assert (finished.status, finished.lease_seconds, finished.retry_seconds) == ("unknown", 240, None)


def test_an_email_of_unknown_outcome_goes_out_again_under_its_message_id() -> None:
    finished = end(Unknown("no answer"))
    assert (finished.status, finished.outcome, finished.retry_seconds) == ("queued", "unknown", 1.0)


def test_a_retry_holds_a_lease_that_outlives_its_pause() -> None:
    finished = end(TryLater("451 later"), claimed(attempt=4), rules(jitter=0.5))
    assert finished.retry_seconds == 16 * 0.75
    assert finished.lease_seconds == finished.retry_seconds + 60
    assert (finished.status, finished.outcome) == ("queued", "try_later")


@pytest.mark.parametrize(("asked", "pause"), [(None, 1.0), (0.1, 1.0), (30.0, 30.0)])
def test_a_provider_may_ask_for_a_longer_pause_and_never_for_a_shorter_one(
    asked: float | None, pause: float
) -> None:
    assert end(TryLater("429", asked)).retry_seconds == pause


@pytest.mark.parametrize(
    ("seconds_left", "status"), [(30.1, "queued"), (30.0, "expired"), (0.0, "expired"), (-5.0, "expired")]
)
def test_no_retry_comes_after_the_links_life(seconds_left: float, status: str) -> None:
    finished = end(TryLater("429", 30.0), claimed(seconds_left=seconds_left))
    assert finished.status == status
    assert (finished.lease_seconds is None) is (status == "expired")


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_back_off_is_between_half_and_all_of_its_step_and_never_past_the_cap(
    attempt: int, jitter: float
) -> None:
    step = min(300.0, 2.0 * 2.0 ** min(attempt - 1, 20))
    assert step / 2 <= rules(jitter).backoff_seconds(attempt) <= step


def test_a_back_off_doubles_until_its_cap() -> None:
    pauses = [rules().backoff_seconds(attempt) for attempt in range(1, 12)]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 150, 150, 150]


OUTCOMES = st.one_of(
    st.just(Delivered("smtp", "1", "")), st.just(Undeliverable("x")), st.just(Unknown("x")),
    st.builds(TryLater, st.just("x"), st.none() | st.floats(0, 1e6)),
)  # fmt: skip


@given(OUTCOMES, st.sampled_from(["email", "sms", "whatsapp"]), st.integers(1, 50), st.floats(-10, 1e6))
def test_whatever_happens_a_message_is_over_or_somebody_comes_back_for_it(
    outcome: Outcome, channel: str, attempt: int, seconds_left: float
) -> None:
    finished = end(outcome, claimed(channel, attempt, seconds_left))
    is_over = finished.status in ("accepted", "failed", "expired")
    assert is_over == (finished.lease_seconds is None)
    assert not is_over or finished.retry_seconds is None
