"""What stands between a browser and the inbox: only local names are served, and every page is locked down.

Steps, each with the attack that it stops:
1. The Host header must be a loopback name. DNS rebinding: a web site points its own name at 127.0.0.1 and then reads the
   caught links as "same origin"; its Host header gives it away.
2. `nosniff` and `Cross-Origin-Resource-Policy`: another site cannot load the JSON or a caught mail as a script or image.
3. A CSP without scripts: caught text that slips through escaping still runs nothing.
4. No CORS header anywhere: another site's script cannot read an answer, and its DELETE stops at the preflight.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

PAGE_CSP = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": PAGE_CSP,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@web.middleware
async def local_hosts_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not is_local(request.headers.get("Host", "")):
        return web.Response(status=403, text="The inbox answers to 127.0.0.1, localhost and [::1] only.\n")
    return await handler(request)


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`, so that errors carry them too; a handler's own value wins."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def is_local(host: str) -> bool:
    """Whether a Host header names this machine, with any port."""
    try:
        url = urlsplit(f"//{host}")
        _ = url.port
    except ValueError:
        return False
    return url.hostname in LOCAL_HOSTS and "@" not in host
