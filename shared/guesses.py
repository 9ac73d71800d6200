"""Limits of guessing passcodes that stand alone: whoever guesses needs to hit anybody's, so no link's own five tries stop them.

They protect accounts and fail closed (G8). Only what misses is counted: those who know their passcode use nothing up.
"""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final
from uuid import UUID

from shared.cache import Cache
from shared.errors import RateLimited, Unavailable
from shared.limits import FailClosedBucket
from shared.tokens import plain_passcode

MISSES_PER_HOUR: Final = 300
MISSES_PER_ADDRESS_PER_HOUR: Final = 30
# 16 digits are 53 bits: nobody gets there by guessing, and a flood of long texts shall not lock out an app's users.
_HOPELESS_CHARS: Final = 16


class GuessLimits:
    """Takes one try from the asker's hour and from the app's, and gives it back when it was no miss."""

    def __init__(self, cache: Cache) -> None:
        self._of_address = FailClosedBucket(cache, "passcode_misses_address", MISSES_PER_ADDRESS_PER_HOUR)
        self._of_app = FailClosedBucket(cache, "passcode_misses", MISSES_PER_HOUR)

    async def take(self, app_id: UUID, ip: IPv4Address | IPv6Address | None, passcode: str) -> None:
        """Count a try before it is looked up. Raises `RateLimited`, or `Unavailable` when Redis is away."""
        if _is_hopeless(passcode):
            return
        address = _address(app_id, ip)
        if address is not None:
            await self._of_address.take(address)
        try:
            await self._of_app.take(str(app_id))
        except RateLimited:
            # Else each new try, refused for the app's sake, would lock out this address as well.
            await self._return(self._of_address, address)
            raise

    async def give_back(self, app_id: UUID, ip: IPv4Address | IPv6Address | None, passcode: str) -> None:
        """Give the try back: its passcode was right."""
        if _is_hopeless(passcode):
            return
        await self._return(self._of_address, _address(app_id, ip))
        await self._return(self._of_app, str(app_id))

    async def _return(self, bucket: FailClosedBucket, who: str | None) -> None:
        # What was done with the passcode is done; at worst one try too many is counted.
        with suppress(Unavailable):
            if who is not None:
                await bucket.put_back(who)


def _address(app_id: UUID, ip: IPv4Address | IPv6Address | None) -> str | None:
    return None if ip is None else f"{app_id}:{_asker(ip)}"


def _asker(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Network:
    """Return what one asker has: of IPv6 a whole /64 (RFC 6177), which would else be 2**64 askers."""
    if isinstance(ip, IPv4Address):
        return ip
    return ip.ipv4_mapped or IPv6Network((int(ip), 64), strict=False)


def _is_hopeless(passcode: str) -> bool:
    return len(plain_passcode(passcode)) >= _HOPELESS_CHARS
