"""The pages behind a FusionAuth link: one file each, the style inline under its hash, no script, nothing that could carry the code elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.compat.fusionauth.errors import STATUS, code_of
from services.compat.headers import retry_headers
from shared.errors import Refusal

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PRIVATE_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What a page says."""

    heading: str
    text: str
    button: str | None = None


CONFIRM = Words("Sign in", "Press the button to sign in. The link works once.", "Sign in")
SIGNED_IN = Words("You are signed in", "You can close this page.")
_OVER = Words(
    "This link does not work", "It was used already, has expired, or a newer one was sent. Ask for a new one."
)
_AGAIN = Words("Please try again", "Nothing was used up. Try again in a moment.", "Try again")
_REFUSED: Final[Mapping[str, Words]] = {
    "foreign_origin": Words("This was not sent by you", "Open the link from your message again."),
    "rate_limited": Words("Too many tries", "Wait a minute, then open the link again."),
    "second_factor_required": Words(
        "One more step", "This account needs a second factor. Sign in where you asked for the link."
    ),
    "password_change_required": Words(
        "One more step", "This account needs a new password. Ask whoever runs it."
    ),
    "address_unverified": Words("One more step", "Your address must be verified first."),
    "registration_unverified": Words("One more step", "Your registration must be verified first."),
    "user_suspended": Words("You cannot sign in now", "Your account is suspended."),
    "user_locked": Words("You cannot sign in now", "Your account is locked."),
    "user_expired": Words("You cannot sign in now", "Your account has expired."),
    "unavailable": _AGAIN,
    "link_in_progress": _AGAIN,
    "internal_error": _AGAIN,
}
_FORBIDDEN: Final = 403


class Views:
    """Renders pages."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # The hash is over exactly this text: it must stand in the page as it is.
        environment.globals["style"] = Markup(_STYLE)  # noqa: S704 - our own file
        self._page = environment.get_template("page.html")

    def page(self, words: Words, status: int = 200, form_target: str = "") -> web.Response:
        """Return a page. `form_target`: the origin that its form may be led on to, besides our own (browsers hold redirects to it)."""
        text = self._page.render(heading=words.heading, text=words.text, button=words.button)
        targets = f"'self' {form_target}".strip()
        policy = (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {targets}; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        headers = {**PRIVATE_HEADERS, "Content-Security-Policy": policy}
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)

    def refused(self, _request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
        """Return the page that says why there is no sign-in."""
        code = code_of(refusal)
        words = _REFUSED.get(code, _OVER)
        fallback = 503 if words is _AGAIN else _FORBIDDEN if code in _REFUSED else 404
        response = self.page(words, STATUS.get(code, fallback))
        response.headers.update(retry_headers(refusal))
        return response
