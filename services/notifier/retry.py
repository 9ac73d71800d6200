"""What follows from an outcome: done, again later, waiting, or given up. Pure decisions, no I/O."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from services.notifier.outcomes import Delivered, Outcome, TryLater, Undeliverable, Unknown
from services.notifier.store import Claimed, Finished


@dataclass(frozen=True, slots=True)
class RetryRules:
    """Back-off and leases, in seconds. `jitter` returns a number in [0, 1)."""

    base_seconds: float
    cap_seconds: float
    queue_lease_seconds: float
    callback_wait_seconds: float
    jitter: Callable[[], float] = random.random

    def backoff_seconds(self, attempt: int) -> float:
        """Return the pause after the n-th attempt: doubling, capped, half of it random, so that a crowd spreads out."""
        full = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 30))
        return full * (0.5 + 0.5 * self.jitter())


def conclude(claimed: Claimed, outcome: Outcome, rules: RetryRules) -> Finished:
    """Return what the row will say."""
    match outcome:
        case Delivered(provider, provider_id, detail):
            return Finished(claimed, "accepted", "accepted", detail, provider, provider_id)
        case Undeliverable(reason):
            return Finished(claimed, "failed", "failed", reason)
        case Unknown(reason) if claimed.facts.channel != "email":
            # It may have been taken: a second SMS costs money and trust, so the status callback speaks first (G3).
            return Finished(claimed, "unknown", "unknown", reason, lease_seconds=rules.callback_wait_seconds)
        case Unknown(reason):
            return _again(claimed, "unknown", reason, rules.backoff_seconds(claimed.attempt), rules)
        case TryLater(reason, after_seconds):
            pause = max(rules.backoff_seconds(claimed.attempt), after_seconds or 0.0)
            return _again(claimed, "try_later", reason, pause, rules)


def _again(claimed: Claimed, outcome: str, reason: str, pause_seconds: float, rules: RetryRules) -> Finished:
    if pause_seconds >= claimed.seconds_left:
        return Finished(
            claimed, "expired", outcome, f"{reason} (the link's life ends before the next attempt)"
        )
    lease_seconds = pause_seconds + rules.queue_lease_seconds
    return Finished(
        claimed, "queued", outcome, reason, lease_seconds=lease_seconds, retry_seconds=pause_seconds
    )
