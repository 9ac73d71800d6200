"""The cookie of a browser's pairings (decision 0008). What else a browser says of itself: shared/http/browsers.py."""

import re
from collections.abc import Sequence

from aiohttp import web

_PROOFS_FORM = re.compile(r"[A-Za-z0-9_-]{22}(?:\.[A-Za-z0-9_-]{22}){0,4}")


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
