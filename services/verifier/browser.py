"""What a browser says of itself: where a POST comes from, the cookie that makes two POSTs the same attempt, and its pairings.

What attackers try: a page of theirs posts the form of somebody else's link, to burn it, or of their own link in a victim's
browser, to sign the victim into their account (login CSRF). Scanners and previews, which only GET, are no business of this file.
"""

import re
import secrets
from collections.abc import Mapping, Sequence

from aiohttp import web

from shared.errors import ForeignOrigin

_OWN_SITES = ("same-origin", "none")  # `none`: the user's own doing, such as a reload
_COOKIE_BYTES = 24
_COOKIE_FORM = re.compile(r"[A-Za-z0-9_-]{32}")
_COOKIE_SECONDS = 86_400
_PROOFS_FORM = re.compile(r"[A-Za-z0-9_-]{22}(?:\.[A-Za-z0-9_-]{22}){0,4}")


def refuse_foreign(headers: Mapping[str, str], own_origin: str) -> None:
    """Raise `ForeignOrigin` for a POST of another site (DESIGN §4). Nothing was read or changed by then."""
    # 1. Sec-Fetch-Site is written by the browser, and no page can forge it. It goes first, because our pages send no referrer, so
    #    that the Origin of their own forms is `null`.
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in _OWN_SITES:
            raise ForeignOrigin
        return
    # 2. Older browsers: a foreign Origin, and `null` (a sandboxed frame, a data: page), is refused.
    if headers.get("Origin", own_origin) != own_origin:
        raise ForeignOrigin
    # 3. Neither header: not a browser, so nobody can be tricked into sending it.


class BrowserCookie:
    """The cookie of an attempt: random, without any state of ours, worthless without a link's token.

    `__Host-` pins it to this very host over https: no subdomain and no plain-http page can plant one.
    """

    def __init__(self, public_url: str) -> None:
        self._secure = public_url.startswith("https://")
        self.name = "__Host-ml" if self._secure else "ml"

    def read(self, request: web.Request) -> str | None:
        """Return the cookie's value, None when it is missing or not of our making."""
        value = request.cookies.get(self.name, "")
        return value if _COOKIE_FORM.fullmatch(value) else None

    def give(self, response: web.Response) -> None:
        """Set a new cookie."""
        response.set_cookie(
            self.name,
            secrets.token_urlsafe(_COOKIE_BYTES),
            max_age=_COOKIE_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )


class PairingCookie:
    """The cookie of a browser's pairings: up to five proofs, newest first. It says nothing to anybody but us."""

    def __init__(self, public_url: str) -> None:
        self._secure = public_url.startswith("https://")
        self.name = "__Host-mlp" if self._secure else "mlp"

    def read(self, request: web.Request) -> list[str]:
        """Return the proofs; none when the cookie is missing or not of our making."""
        value = request.cookies.get(self.name, "")
        return value.split(".") if _PROOFS_FORM.fullmatch(value) else []

    def give(self, response: web.StreamResponse, proofs: Sequence[str], seconds: float) -> None:
        """Set the proofs; they die with the link that came last."""
        response.set_cookie(
            self.name,
            ".".join(proofs),
            max_age=max(1, int(seconds)),
            path="/",
            secure=self._secure,
            httponly=True,
            # Lax, not Strict: the link is opened from a mail, which is another site.
            samesite="Lax",
        )
