"""What texts may cost: limits of SMS and WhatsApp messages, by app and by recipient. They fail closed (G8)."""

import hashlib
from typing import Final
from uuid import UUID

from services.issuer.policy import App
from shared.cache import Cache
from shared.errors import RateLimited
from shared.limits import FailClosedBucket, Level

TEXT_CHANNELS: Final = frozenset({"sms", "whatsapp"})


class TextLimits:
    """Takes one text from its app's hour and from its recipient's, both shared by SMS and WhatsApp."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def take(self, app: App, channel: str, recipient: str) -> None:
        """Count one message before it is queued; `none` and `email` cost nothing.

        Raises `RateLimited` with the time until there is room, or `Unavailable` when Redis is away: then nothing may be sent.
        """
        if channel not in TEXT_CHANNELS:
            return
        who = _hashed(app.id, recipient)
        # The recipient first: whoever pumps one number does not use up what the app's other users need.
        await self._of_recipient(app).take(who)
        try:
            await self._of_app(app).take(str(app.id))
        except RateLimited:
            # Else each new try, refused for the app's sake, would lock out this recipient as well.
            await self._of_recipient(app).put_back(who)
            raise

    async def peek(self, app: App, recipient: str | None) -> dict[str, Level | None]:
        """Return the levels by the app's setting that names them; None where Redis did not say."""
        levels = {"texts_per_hour": await self._of_app(app).peek(str(app.id))}
        if recipient is not None:
            levels["texts_per_recipient_per_hour"] = await self._of_recipient(app).peek(
                _hashed(app.id, recipient)
            )
        return levels

    def _of_app(self, app: App) -> FailClosedBucket:
        return FailClosedBucket(self._cache, "texts_per_hour", app.texts_per_hour)

    def _of_recipient(self, app: App) -> FailClosedBucket:
        return FailClosedBucket(self._cache, "texts_per_recipient_per_hour", app.texts_per_recipient_per_hour)


def _hashed(app_id: UUID, recipient: str) -> str:
    # No one's number stands in Redis to be read; whoever can list all numbers can still look for one.
    return hashlib.sha256(f"{app_id} {recipient}".encode()).hexdigest()[:32]
