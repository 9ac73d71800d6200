import json

import pytest

from services.notifier.channels.twilio import FINAL_CODES, outcome_of_refusal
from services.notifier.channels.twilio_http import ProviderRefused, TwilioAccount
from services.notifier.outcomes import Outcome, TryLater, Undeliverable, Unknown


def _outcome(status: int, code: int | None, retry_after: str | None = None) -> Outcome:
    body = json.dumps({"code": code, "message": "words", "more_info": "", "status": status})
    return outcome_of_refusal(ProviderRefused(status, body, retry_after))


@pytest.mark.parametrize("code", sorted(FINAL_CODES))
def test_a_refused_recipient_is_final_with_twilios_code_and_words(code: int) -> None:
    assert _outcome(400, code) == Undeliverable(f"{code}: words")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, 20003),
        (403, 20003),
        (403, 21211),  # a proxy or a suspended account, whatever the body says
        (404, 20404),
        (400, 21212),  # our From
        (400, 21606),
        (400, 21611),  # our queue is full
        (400, 63007),  # our WhatsApp sender
        (400, None),
        (302, None),
    ],
)
def test_a_fault_of_our_own_setup_never_fails_a_message(status: int, code: int | None) -> None:
    assert isinstance(_outcome(status, code), TryLater)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_may_have_taken_the_message(status: int) -> None:
    assert isinstance(_outcome(status, 20500), Unknown)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("999999", 3_600.0),
        (None, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("²", None),
    ],
)
def test_a_throttled_message_waits_as_long_as_twilio_says(header: str | None, seconds: float | None) -> None:
    assert _outcome(429, 20429, header) == TryLater("20429: words", seconds)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"code": "x", "message": 3}', "null"])
def test_an_answer_that_is_not_twilios_is_still_an_outcome(body: str) -> None:
    assert isinstance(outcome_of_refusal(ProviderRefused(400, body, None)), TryLater)


def test_the_newer_error_form_is_understood() -> None:
    body = json.dumps({"type": "u", "title": "Invalid", "status": 400, "code": 21211, "detail": "bad number"})
    assert outcome_of_refusal(ProviderRefused(400, body, None)) == Undeliverable("21211: bad number")


def test_the_auth_token_is_not_in_the_repr() -> None:
    assert "s3cret" not in repr(TwilioAccount("AC0", "s3cret"))
