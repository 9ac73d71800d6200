"""Tells the issuer what the notifiers can send: `POST /v1/links/explain` answers from it."""

from collections.abc import Sequence

from services.notifier.render import Templates
from services.notifier.store import SQL
from shared.database import Pool


async def tell_delivery_options(pool: Pool, channels: Sequence[str], templates: Templates) -> None:
    """Write down the channels that are configured and the languages of each template. All replicas are configured alike."""
    await pool.execute(SQL.tell_delivery_options, list(channels), templates.available())
