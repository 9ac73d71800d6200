from typing import Any

import pytest
from pydantic import ValidationError

from services.dev.inbox.failures import KINDS, Failures, HttpError, RuleSet, SmtpReply
from services.dev.inbox.failures_page import PRESETS
from services.dev.inbox.problem import field_errors
from services.dev.inbox.simulator import SIMULATED
from services.dev.inbox.statuses import ERRORS

BUSY = {"kind": "smtp_reply", "code": 451}


def failing(*rules: dict[str, Any]) -> Failures:
    failures = Failures(changed=lambda: None)
    failures.replace(RuleSet.model_validate({"rules": rules}).rules)
    return failures


def test_a_rule_strikes_only_its_channel_and_recipients() -> None:
    failures = failing({**BUSY, "to": "*@Example.com"})
    assert failures.strike("email", "Ada@example.COM").failure is not None
    assert failures.strike("email", "ada@example.org").failure is None
    assert failures.strike("sms", "ada@example.com").failure is None


def test_only_the_star_is_a_wildcard() -> None:
    failures = failing({**BUSY, "to": "a?[b]@example.com"})
    assert failures.strike("email", "a?[b]@example.com").failure is not None
    assert failures.strike("email", "axb@example.com").failure is None


def test_a_rule_for_n_times_is_gone_after_n_strikes() -> None:
    failures = failing({**BUSY, "times": 2})
    struck = [failures.strike("email", "a@example.com").failure is not None for _ in range(3)]
    assert struck == [True, True, False]
    assert failures.standing == ()


def test_a_delay_and_a_failure_go_together_and_the_first_of_each_counts() -> None:
    failures = failing(
        BUSY, {"kind": "delay", "seconds": 0.5}, {"kind": "delay", "seconds": 9}, {**BUSY, "code": 550}
    )
    struck = failures.strike("email", "a@example.com")
    assert struck.delay_seconds == 0.5
    assert isinstance(struck.failure, SmtpReply)
    assert struck.failure.code == 451
    assert [standing.hits for standing in failures.standing] == [1, 1, 0, 0]


def test_the_simulators_recipients_fail_whatever_label_they_carry() -> None:
    failures = failing()
    assert isinstance(failures.strike("email", "reject+ada@simulator.example").failure, SmtpReply)
    assert failures.strike("email", "rejected@simulator.example").failure is None
    refused = failures.strike("sms", "+15005550001").failure
    assert isinstance(refused, HttpError)
    assert refused.error_code == 21211


@pytest.mark.parametrize("known", SIMULATED, ids=lambda known: known.to)
def test_every_simulated_recipient_is_a_rule_that_strikes(known: Any) -> None:
    channel: Any = "email" if "@" in known.to else "sms"
    struck = failing().strike(channel, known.to)
    assert struck.failure is not None or struck.delay_seconds > 0


@pytest.mark.parametrize("name", PRESETS)
def test_every_line_of_the_page_is_a_rule_in_words_that_are_known(name: str) -> None:
    (rule,) = RuleSet.model_validate({"rules": [PRESETS[name].rule]}).rules
    code = getattr(rule, "error_code", None)
    assert code is None or code in ERRORS


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ({**BUSY, "code": 250}, {"rules.0.code"}),
        ({**BUSY, "code": 250, "times": 0, "to": ""}, {"rules.0.code", "rules.0.times", "rules.0.to"}),
        ({**BUSY, "enhanced_code": "5.1.1"}, {"rules.0"}),
        ({**BUSY, "text": "two\nlines"}, {"rules.0.text"}),
        ({**BUSY, "channel": "sms"}, {"rules.0.channel"}),
        ({**BUSY, "colour": "red"}, {"rules.0.colour"}),
        ({"kind": "coffee"}, {"rules.0"}),
        ({"kind": "delay", "seconds": 999}, {"rules.0.seconds"}),
        ({"kind": "http_error", "status": 200}, {"rules.0.status"}),
        ({"kind": "callback", "status": "read"}, {"rules.0.status"}),
    ],
)
def test_a_wrong_rule_is_refused_by_the_name_of_each_field(rule: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        RuleSet.model_validate({"rules": [rule]})
    assert {found["field"] for found in field_errors(refused.value, KINDS)} == fields
