"""Which addresses a webhook may be posted to: public ones only, checked when the connection is made.

What an attacker tries (SSRF): an endpoint whose name leads into our own network, to a cloud's metadata, to this machine; one that does so
only after it was checked (DNS rebinding); a private address inside an IPv6 one. So what is checked is the very address that is connected to.
"""

import ipaddress
import socket
from typing import TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
# An IPv4 network behind it decides what is reached (RFC 6052, RFC 8215).
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class AddressNotPublic(OSError):  # noqa: N818 - states the fact
    """The host has no public address."""


def is_public(text: str) -> bool:
    """Say whether an address is one of the public internet's. A scope (`%eth0`) is none."""
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _NAT64) or address.teredo is not None:
            return False
        # 6to4 and mapped addresses carry an IPv4 one.
        address = address.ipv4_mapped or address.sixtofour or address
    return address.is_global and not address.is_multicast


def is_address(host: str) -> bool:
    """Say whether a URL's host may be taken for an address, so that nobody resolves it: `127.1` and `2130706433` are, to some parsers."""
    return ":" in host or host.replace(".", "").isdigit()


class PublicResolver(AbstractResolver):
    """Resolves names to their public addresses. Raises `AddressNotPublic` when there is none."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = [one for one in await self._resolver.resolve(host, port, family) if is_public(one["host"])]
        if not found:
            raise AddressNotPublic("has no public address")
        return found

    async def close(self) -> None:
        await self._resolver.close()
