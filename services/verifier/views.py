"""The pages people see: templates, wording, and the headers that keep them to themselves.

One file a page, style inline under its hash: no script, no asset request, nothing that could carry the token elsewhere.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.database import Row
from shared.errors import Refusal
from shared.http.problems import refusal_headers, status_of
from shared.recipients import mask
from shared.redirects import origin

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PRIVATE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}
"""On everything under `/l/`: pages, redirects and refusals."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What a page says: heading, text, and whether trying again may help."""

    heading: str
    text: str
    try_again: bool = False


_CONFIRM: Mapping[str, tuple[str, str, str]] = {
    "login": ("Sign in to {app}", "You will be signed in as {account}.", "Sign in"),
    "verify_identifier": ("Confirm for {app}", "You confirm that {account} is yours.", "Confirm"),
    "invite": ("Join {app}", "You accept the invitation for {account}.", "Accept"),
}
_ANOTHER = "Go back to where you asked for it, and ask for another one."
_REFUSED: Mapping[str, Wording] = {
    "link_invalid": Wording("This link is not valid", f"It may be incomplete. {_ANOTHER}"),
    "link_consumed": Wording("This link was used already", f"Each link works once. {_ANOTHER}"),
    "link_expired": Wording("This link has expired", _ANOTHER),
    "link_revoked": Wording("This link was withdrawn", f"A newer one may be in your inbox. {_ANOTHER}"),
    "link_not_yet_valid": Wording("This link is not valid yet", "Open it again later.", try_again=True),
    "link_in_progress": Wording(
        "Someone is using this link", "Wait a few seconds, then try again.", try_again=True
    ),
    "foreign_origin": Wording(
        "This came from another site", "Nothing happened. Open the link from the message itself."
    ),
    "rate_limited": Wording("Too many requests", "Wait a minute, then try again.", try_again=True),
    "unavailable": Wording(
        "We cannot answer right now",
        "Your link was not lost. Wait a few seconds, then try again.",
        try_again=True,
    ),
}
_OTHERWISE = Wording("This did not work", "Open the link from the message again.", try_again=True)


class Views:
    """Renders pages."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # The hash is over exactly this text: it must stand in the page as it is.
        self._templates.globals["style"] = Markup(_STYLE)  # noqa: S704 - our own file
        self._templates.filters["utc"] = _utc_words

    def confirm(self, row: Row) -> web.Response:
        """The page with the one button: what it will do, for whom, until when."""
        return self._form(row, again=False)

    def carry_on(self, row: Row) -> web.Response:
        """The same page for the browser that consumed the link a moment ago: its button leads to the same place again."""
        return self._form(row, again=True)

    def done(self, row: Row) -> web.Response:
        """For a link that leads nowhere. Its app learns of it by the event."""
        return self._page("done.html", {"app": _app_name(row)})

    def redirect(self, location: str) -> web.Response:
        """The 303 to the product."""
        return web.Response(status=303, headers={**PRIVATE_HEADERS, "Location": location})

    def refusal(self, _request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
        """The page of a refusal, with its status."""
        response = self._page("refused.html", {"wording": _REFUSED.get(refusal.code, _OTHERWISE)})
        response.set_status(status_of(refusal))
        response.headers.update(refusal_headers(refusal))
        return response

    def _form(self, row: Row, *, again: bool) -> web.Response:
        app = _app_name(row)
        account = mask(_account(row))
        heading, promise, button = _CONFIRM[row["type"]]
        return self._page(
            "confirm.html",
            {
                "heading": heading.format(app=app),
                "promise": promise.partition("{account}"),
                "account": account,
                "button": "Continue" if again else button,
                "again": again,
                "expires_at": row["expires_at"],
            },
            redirect_url=row["redirect_url"],
        )

    def _page(self, template: str, words: Mapping[str, Any], redirect_url: str | None = None) -> web.Response:
        headers = dict(PRIVATE_HEADERS)
        if redirect_url is not None:
            # Browsers hold the 303 after the POST to this list as well.
            policy = headers["Content-Security-Policy"]
            headers["Content-Security-Policy"] = policy.replace(
                "form-action 'self'", f"form-action 'self' {origin(redirect_url)}"
            )
        text = self._templates.get_template(template).render(words)
        return web.Response(text=text, content_type="text/html", headers=headers)


def _app_name(row: Row) -> str:
    return str(row["branding"].get("product_name") or row["app_name"])


def _account(row: Row) -> str:
    """The address the link was sent to; of a link we did not send, the user's e-mail address first."""
    by_phone = row["channel"] in ("sms", "whatsapp")
    first, second = (row["phone"], row["email"]) if by_phone else (row["email"], row["phone"])
    return str(first or second)


def _utc_words(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"
