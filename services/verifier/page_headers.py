"""The headers that keep pages to themselves: nothing cached, nothing told to others, and a policy that allows what is in the page and no more."""

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache

from multidict import CIMultiDict

from services.verifier.colours import brand_style
from services.verifier.skeletons import SCRIPT, STYLE
from shared.redirects import origin

# How many a process keeps, of those asked for last. A redirect's address has at most 2 KB.
_HEADERS = 1024
_ORIGINS = 1024


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE_HASH, _SCRIPT_HASH = _hash(STYLE), _hash(SCRIPT)


def _policy(styles: str = _STYLE_HASH, script: str = "", form_target: str = "") -> str:
    scripts = f" script-src {script};" if script else ""
    # Browsers hold the 303 after the POST to form-action as well.
    targets = f"'self' {form_target}".strip()
    return (
        f"default-src 'none'; style-src {styles};{scripts} form-action {targets}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


PRIVATE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language",
    "Content-Security-Policy": _policy(),
}
"""On everything under `/l/` and `/pair/`: pages, redirects and refusals."""


def page_headers(
    tag: str, colour: str | None, redirect_url: str = "", *, scripted: bool = False
) -> CIMultiDict[str]:
    """Return the headers of a page, for a response to copy, not to change. `redirect_url`: where its button leads in the end."""
    return _headers(tag, colour, _origin(redirect_url) if redirect_url else "", scripted)


# By origin: the addresses behind it are many.
@lru_cache(_HEADERS)
def _headers(tag: str, colour: str | None, target: str, scripted: bool) -> CIMultiDict[str]:  # noqa: FBT001 - a key of the cache
    styles = f"{_STYLE_HASH} {_hash(brand_style(colour))}"
    return CIMultiDict(
        {
            **PRIVATE_HEADERS,
            "Content-Security-Policy": _policy(styles, _SCRIPT_HASH if scripted else "", target),
            "Content-Language": tag,
            "Content-Type": "text/html; charset=utf-8",
        }
    )


_origin = lru_cache(_ORIGINS)(origin)
