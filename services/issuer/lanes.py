"""Which lane a message takes: an app's interactive rate is capped, and the surplus is bulk (DESIGN §5)."""

from dataclasses import replace

from services.issuer.policy import Draft
from shared.cache import Cache
from shared.errors import RateLimited
from shared.limits import FailOpenBucket


class Lanes:
    """Keeps one app's flood from delaying everybody's logins. Fails open: without Redis everything keeps the lane it asked for."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def assign(self, draft: Draft) -> Draft:
        """Return the draft, in the bulk lane when its app has used up its interactive rate."""
        if draft.lane != "interactive" or draft.request.channel == "none":
            return draft
        bucket = FailOpenBucket(self._cache, "interactive", draft.app.interactive_per_minute)
        try:
            await bucket.take(str(draft.app.id))
        except RateLimited:
            return replace(draft, lane="bulk")
        return draft
