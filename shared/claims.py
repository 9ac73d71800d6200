"""What Redis is told of a link, one key a link: whoever commits a final verdict publishes it here (DESIGN §4 step 5)."""

from contextlib import suppress
from uuid import UUID

from shared.cache import Cache, CacheAway, Script

_VERDICT = Script("verdict")
_GRACE_SECONDS = 600
_LONGEST_SECONDS = 86_400


def claim_key(link_id: UUID) -> str:
    """Return the key of a link's claim, hash-tagged, so that all keys of one link share a slot."""
    return f"ml:{{{link_id}}}:claim"


def publish_consumed(
    cache: Cache, link_id: UUID, app_id: UUID, attempt_id: UUID, seconds_to_expiry: float
) -> None:
    """Tell Redis who consumed the link. The app is kept with it: to another app the link must look unknown (G9)."""
    cache.post(_VERDICT, claim_key(link_id), f"consumed {app_id} {attempt_id}", _keep_ms(seconds_to_expiry))


async def publish_revoked(cache: Cache, link_id: UUID, app_id: UUID, seconds_to_expiry: float) -> None:
    """Tell Redis that the link was revoked. To be called after the commit; losing it is harmless."""
    with suppress(CacheAway):
        await cache.run(_VERDICT, claim_key(link_id), f"revoked {app_id}", _keep_ms(seconds_to_expiry))


def _keep_ms(seconds_to_expiry: float) -> int:
    # Past its expiry PostgreSQL still refuses the link: after a while the key has nothing left to save.
    return int(min(max(seconds_to_expiry, 0) + _GRACE_SECONDS, _LONGEST_SECONDS) * 1000)
