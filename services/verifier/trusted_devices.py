"""Devices that need no second factor for a while: who passed one may ask for a token that stands in for it next time.

The token is the device's to keep and the product's to hand back; it is derived, so nothing here signs anybody in. It spares the second
factor only: without a link it is worth nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.verifier.second_factors import SQL
from shared.database import Pool
from shared.keys import KeyRing
from shared.tokens import LinkRef, make_named, read_named

_PURPOSE = "trust"


@dataclass(frozen=True, slots=True, repr=False)
class Trust:
    """A trusted device's token, and when it ends. Holds a token: it has no representation that shows it."""

    token: str
    expires_at: datetime


class TrustedDevices:
    """Reads of trusted devices. They are made where a challenge is finished, and revoked with the user's factors."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool = pool
        self._ring = ring

    def newest_kid(self) -> str:
        """Return the id of the key that a new device's token is derived with."""
        return self._ring.newest[_PURPOSE]

    async def is_trusted(self, app_id: UUID, user_id: UUID, token: str | None) -> bool:
        """Say whether the token is of a device of this user that is still trusted. Garbage ends before any I/O."""
        device = None if token is None else read_named(self._ring, _PURPOSE, token)
        if device is None:
            return False
        return bool(await self._pool.fetchval(SQL.is_trusted, app_id, user_id, device.link_id))

    async def find(self, app_id: UUID, device_id: UUID) -> Trust | None:
        """Return the token of a device, which the caller made, if it is still trusted and its key is still in the ring."""
        row = await self._pool.fetchrow(SQL.find_trusted_device, app_id, device_id)
        if row is None or self._ring.key(_PURPOSE, row["kid"]) is None:
            return None
        token = make_named(self._ring, _PURPOSE, LinkRef(row["kid"], row["id"]))
        return Trust(token, row["expires_at"])
