"""How a row is judged: the order of the questions matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.verifier.attempt import Attempt
from services.verifier.verdict import judge
from shared.errors import (
    LinkConsumed,
    LinkExpired,
    LinkInvalid,
    LinkNotYetValid,
    LinkRevoked,
    PairingRequired,
    Refusal,
)
from shared.tokens import LinkRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINE, OTHERS, HOLDER = uuid4(), uuid4(), uuid4()
LINK = LinkRef("1", uuid4())
ATTEMPT = Attempt(LINK, MINE, None, "browser", "r")


def row(**columns: Any) -> dict[str, Any]:
    return {
        "revoked_at": None, "found_user": uuid4(), "consumed_at": None, "consumed_by": None, "looked_at": NOW,
        "not_before": NOW, "expires_at": NOW + timedelta(seconds=1), "status": "issued", "binding": "prefer", "holder_bar": None, "user_id": HOLDER,
        "client": {"ip": "203.0.113.9", "user_agent": "Firefox"}, "code_challenge": None, **columns,
    }  # fmt: skip


def test_a_link_within_its_time_is_free() -> None:
    assert judge(row(), ATTEMPT) is None


@pytest.mark.parametrize(
    ("columns", "refusal"),
    [
        ({"expires_at": NOW}, LinkExpired),
        ({"not_before": NOW + timedelta(microseconds=1)}, LinkNotYetValid),
        ({"consumed_at": NOW, "consumed_by": OTHERS}, LinkConsumed),
        ({"consumed_at": NOW, "consumed_by": OTHERS, "expires_at": NOW}, LinkConsumed),
        ({"consumed_at": NOW, "consumed_by": MINE, "revoked_at": NOW}, LinkRevoked),
        ({"consumed_at": NOW, "consumed_by": MINE, "found_user": None}, LinkRevoked),
        ({"revoked_at": NOW, "expires_at": NOW}, LinkRevoked),
        ({"status": "superseded"}, LinkRevoked),
        ({"status": "superseded", "binding": "require"}, LinkRevoked),
        ({"binding": "require"}, PairingRequired),
        ({"binding": "require", "expires_at": NOW}, LinkExpired),
        ({"binding": "require", "consumed_at": NOW, "consumed_by": OTHERS}, LinkConsumed),
    ],
)
def test_each_state_has_its_refusal(columns: dict[str, Any], refusal: type[Refusal]) -> None:
    verdict = judge(row(**columns), ATTEMPT)
    assert verdict is not None
    with pytest.raises(refusal):
        verdict.redeemed()


def test_the_attempt_that_consumed_the_link_has_won_also_after_its_expiry() -> None:
    verdict = judge(row(consumed_at=NOW, consumed_by=UUID(str(MINE)), expires_at=NOW), ATTEMPT)
    assert verdict is not None
    assert verdict.redeemed().replayed


def test_a_link_that_the_app_does_not_have_is_invalid() -> None:
    verdict = judge(None, ATTEMPT)
    assert verdict is not None
    with pytest.raises(LinkInvalid):
        verdict.redeemed()


@pytest.mark.parametrize(
    "attempt",
    [
        replace(ATTEMPT, paired=True),
        replace(ATTEMPT, via="passcode"),
        replace(ATTEMPT, via="api", paired=True),
    ],
)
def test_a_link_bound_to_its_browser_is_free_to_that_browser_and_to_its_passcode(attempt: Attempt) -> None:
    assert judge(row(binding="require"), attempt) is None


def test_a_suspension_says_why_and_until_when_and_no_other_bar_says_anything() -> None:
    holder = {"holder_status_reason": "Payment is late", "holder_suspended_until": NOW}
    for bar, members in (
        ("suspended", {"status_reason": "Payment is late", "suspended_until": NOW}),
        ("locked", {}),
    ):
        verdict = judge(row(holder_bar=bar, **holder), ATTEMPT)
        assert verdict is not None
        with pytest.raises(Refusal) as caught:
            verdict.redeemed()
        assert caught.value.members == members
