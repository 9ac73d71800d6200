"""The claim in Redis around a consumption: a lease for one attempt, or the final verdict of an earlier one.

It keeps a storm of replays and scanners away from PostgreSQL. Nothing depends on it: without Redis every attempt goes on (G8).
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

from services.verifier.attempt import Attempt
from services.verifier.verdict import Verdict
from shared.cache import Cache, CacheAway, Script
from shared.claims import claim_key, publish_consumed, publish_revoked
from shared.errors import LinkConsumed, LinkInProgress, LinkInvalid, LinkRevoked

_CLAIM = Script("claim")
_RELEASE = Script("release")

LEASE_MS = 3_000
# About a second in all; then the caller is told to come back.
POLL_PAUSES_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.4)


class Hold(Enum):
    """What an attempt holds while it goes to PostgreSQL."""

    LEASE = "lease"
    OWN_VERDICT = "own verdict"  # Redis knows that this very attempt consumed the link
    NOTHING = "nothing"  # Redis is away


class Claims:
    """Claims of links. `is_known` says whether the attempt's app has the link at all."""

    def __init__(self, cache: Cache, is_known: Callable[[Attempt], Awaitable[bool]]) -> None:
        self._cache = cache
        self._is_known = is_known

    async def take(self, attempt: Attempt) -> Hold:
        """Claim the link for this attempt.

        Raises `LinkConsumed` or `LinkRevoked` when Redis knows so, `LinkInvalid` to an app that has no such link, and
        `LinkInProgress` when another attempt holds the lease for a second.
        """
        asked = False
        for pause_seconds in (*POLL_PAUSES_SECONDS, None):
            said = await self._ask(attempt)
            if isinstance(said, Hold):
                return said
            # "In progress" tells that the link exists: a foreign app must not hear it (G9).
            if not asked and attempt.app_id is not None and not await self._is_known(attempt):
                raise LinkInvalid
            asked = True
            if pause_seconds is not None:
                await asyncio.sleep(pause_seconds)
        raise LinkInProgress(retry_after_seconds=1)

    async def settle(self, attempt: Attempt, hold: Hold, verdict: Verdict | None) -> None:
        """Publish a final verdict; otherwise give the lease back, so that the next attempt need not wait for its end."""
        row = verdict.row if verdict else None
        if verdict and row is not None and verdict.state in ("redeemed", "consumed"):
            if hold is not Hold.OWN_VERDICT:
                publish_consumed(
                    self._cache, row["id"], row["app_id"], row["consumed_by"], row["seconds_to_expiry"]
                )
        elif row is not None and row["revoked_at"] is not None:
            await publish_revoked(self._cache, row["id"], row["app_id"], row["seconds_to_expiry"])
        elif hold is Hold.LEASE:
            await self._release(attempt)

    async def _ask(self, attempt: Attempt) -> Hold | None:
        """Return what the attempt holds now, or None while another attempt has the lease."""
        try:
            reply = await self._cache.run(
                _CLAIM, claim_key(attempt.link.link_id), str(attempt.attempt_id), LEASE_MS
            )
        except CacheAway:
            return Hold.NOTHING
        match reply.decode().split(" "):
            case ["go"]:
                return Hold.LEASE
            case ["leased", _]:
                return None
            case ["consumed", app_id, by]:
                return _known_as_consumed(attempt, app_id, by)
            case ["revoked", app_id]:
                raise LinkInvalid if _is_foreign(attempt, app_id) else LinkRevoked
            case _:  # not written by us: PostgreSQL knows
                return Hold.NOTHING

    async def _release(self, attempt: Attempt) -> None:
        try:
            await self._cache.run(_RELEASE, claim_key(attempt.link.link_id), str(attempt.attempt_id))
        except CacheAway:
            return  # the lease ends by itself


def _known_as_consumed(attempt: Attempt, app_id: str, by: str) -> Hold:
    if _is_foreign(attempt, app_id):
        raise LinkInvalid
    if by != str(attempt.attempt_id):
        raise LinkConsumed
    return Hold.OWN_VERDICT


def _is_foreign(attempt: Attempt, app_id: str) -> bool:
    return attempt.app_id is not None and str(attempt.app_id) != app_id
