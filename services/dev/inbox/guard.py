"""What stands between a browser and the inbox: only local names are served, and every page is locked down.

Steps, each with the attack that it stops:
1. The Host header must be a loopback name. DNS rebinding: a web site points its own name at 127.0.0.1 and then reads the
   caught links as "same origin"; its Host header gives it away.
2. What changes something must come from our own pages, or from a program. CSRF: another site's form clears the inbox or
   tells it to fail; the browser itself says where the request began, and no script can change that header.
3. `nosniff` and `Cross-Origin-Resource-Policy`: another site cannot load the JSON or a caught mail as a script or image,
   and neither can our own pages run a caught source as a script.
4. A CSP that runs our own script files and nothing else: caught text that slips through escaping still runs nothing.
5. No CORS header anywhere: another site's script cannot read an answer.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": PAGE_CSP,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not `no-referrer`: with that the browser would send `Origin: null` with our own forms. Nothing goes to other sites.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@web.middleware
async def local_hosts_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not is_local(request.headers.get("Host", "")):
        return web.Response(status=403, text="The inbox answers to 127.0.0.1, localhost and [::1] only.\n")
    return await handler(request)


@web.middleware
async def own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method not in _SAFE_METHODS and not is_own(request.headers):
        return web.Response(status=403, text="Another site's page cannot change the inbox.\n")
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


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a request began on a page of ours, or in a program that is not a browser (it says nothing of either)."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("Origin")
    return origin is None or origin == f"http://{headers.get('Host', '')}"
