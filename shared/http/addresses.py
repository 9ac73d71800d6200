"""The client's address, through proxies that are trusted and no others."""

from collections.abc import Sequence
from contextvars import ContextVar
from ipaddress import IPv4Network, IPv6Network, ip_address

asking_address: ContextVar[str | None] = ContextVar("magiclink_asking_address", default=None)
"""Whose request is being answered. A service that asks another on the way tells it on as `X-Forwarded-For`."""


def client_address(
    remote: str | None, forwarded_for: str | None, trusted: Sequence[IPv4Network | IPv6Network]
) -> str:
    """Return the address nearest to us that is not a trusted proxy.

    `X-Forwarded-For` is read from the right: what stands further left was written by whoever we do not trust.
    """
    if forwarded_for is None:
        return remote or ""
    hops = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    address = remote or ""
    while hops and _within(address, trusted):
        address = hops.pop()
    return address


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    # A listener on `::` sees IPv4 clients as ::ffff:10.0.0.1.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks)
