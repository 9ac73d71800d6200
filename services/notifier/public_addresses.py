"""Which addresses a webhook may be posted to: public ones only, checked when the connection is made.

What an attacker tries (SSRF): an endpoint whose name leads into our own network, to a cloud's metadata, to this machine; one that does so
only after it was checked (DNS rebinding); a private address inside an IPv6 one. So what is checked is the very address that is connected to.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

_Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
# Of IPv6 only this is given to anybody (RFC 4291 §2.4); what lies beside it leads to IPv4 addresses of all kinds, or nowhere.
_UNICAST = ipaddress.ip_network("2000::/3")
# Protocol assignments (RFC 6890); a cloud's metadata among them.
_ASSIGNED = ipaddress.ip_network("192.0.0.0/24")
_RESOLVED_AT_ONCE = 32


class AddressNotPublic(OSError):  # noqa: N818 - states the fact
    """The host has no public address."""


def is_public(text: str) -> bool:
    """Say whether an address is one of the public internet's. A scope (`%eth0`) is none."""
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _UNICAST or address.teredo is not None:
            return False
        # 6to4 addresses carry an IPv4 one.
        address = address.sixtofour or address
    return address.is_global and not address.is_multicast and address not in _ASSIGNED


def is_address(host: str) -> bool:
    """Say whether a URL's host may be taken for an address, so that nobody resolves it: `127.1` and `2130706433` are, to some parsers."""
    return ":" in host or host.replace(".", "").isdigit()


class PublicResolver(AbstractResolver):
    """Resolves names to their public addresses. Raises `AddressNotPublic` when there is none.

    In threads of its own: a name whose servers never answer would hold those that mail needs.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVED_AT_ONCE, "webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        answers = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        found = [
            ResolveResult(
                hostname=host, host=str(where[0]), port=int(where[1]), family=kind, proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, where in answers
            if is_public(str(where[0]))
        ]  # fmt: skip
        if not found:
            raise AddressNotPublic("has no public address")
        return found

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
