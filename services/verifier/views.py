"""The pages people see: templates, wording, brand, and the headers that keep them to themselves.

One file a page, style and script inline under their hashes: no asset request, nothing that could carry the token elsewhere. The
script presses the button, in the browser that asked for the link and nowhere else; every page works without it.
"""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.verifier.colours import brand_style
from services.verifier.shapes import USER_BARS
from services.verifier.wording import Wordings, Words
from shared.asker import device_words, ip_words
from shared.database import Row
from shared.errors import Refusal
from shared.http.problems import refusal_headers, status_of
from shared.recipients import mask
from shared.redirects import origin

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_TEMPLATES / "press.js").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE_HASH, _SCRIPT_HASH = _hash(_STYLE), _hash(_SCRIPT)


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

Form = Literal["first", "again", "auto"]


@dataclass(frozen=True, slots=True)
class Look:
    """How a refusal looks: its icon, and whether asking again may help."""

    icon: str = "alert"
    try_again: bool = False


_LOOKS: Mapping[str, Look] = {
    "link_invalid": Look(),
    "link_consumed": Look("done"),
    "link_expired": Look("clock"),
    "link_revoked": Look(),
    "superseded": Look("mail"),
    "link_not_yet_valid": Look("clock", try_again=True),
    "link_in_progress": Look("clock", try_again=True),
    "pairing_required": Look("lock"),
    "scanner_refused": Look("lock", try_again=True),
    "foreign_origin": Look("lock"),
    "user_barred": Look("lock"),
    "rate_limited": Look("clock", try_again=True),
    "unavailable": Look(try_again=True),
    "otherwise": Look(try_again=True),
}
_RETRY_SECONDS = 60  # when a limit does not say


class Views:
    """Renders pages. `row` is one of `look`; without one the page names no product and speaks the browser's language."""

    def __init__(self) -> None:
        self._wordings = Wordings()
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # The hashes are over exactly these texts: they must stand in the page as they are.
        self._templates.globals["style"] = Markup(_STYLE)  # noqa: S704 - our own file
        self._templates.globals["script"] = Markup(_SCRIPT)  # noqa: S704 - our own file

    def confirm(self, request: web.Request, row: Row, form: Form = "first") -> web.Response:
        """The page with the one button: what it will do, for whom, until when.

        `again` is for the browser that consumed the link a moment ago: the button leads to the same place. `auto` is for the
        browser that asked for it: the button presses itself.
        """
        words = self._words(request, row)
        heading = {"app": _app_name(row)}
        context = {
            "title": words.text(f"{row['type']}.heading", **heading),
            "heading": words.markup(f"{row['type']}.heading", **heading),
            "promise": words.markup(f"{row['type']}.text", account=_account(row)),
            "button": words.text("again.button" if form == "again" else f"{row['type']}.button"),
            "form": form,
            "facts": [_until(words, row), *_asked(words, row)],
        }
        script = _SCRIPT_HASH if form == "auto" else ""
        target = origin(row["redirect_url"]) if row["redirect_url"] else ""
        return self._page("confirm.html", words, row, context, script=script, form_target=target)

    def done(self, request: web.Request, row: Row) -> web.Response:
        """For a link that leads nowhere. Its app learns of it by the event."""
        words = self._words(request, row)
        text = words.markup("done.text", app=_app_name(row))
        return self._notice(words, row, "done", {"text": text, "icon_named": "done"})

    def renewed(self, request: web.Request, row: Row) -> web.Response:
        """After "send a new one": the same words whatever came of it."""
        words = self._words(request, row)
        text = words.markup("renewed.text", account=_account(row))
        return self._notice(words, row, "renewed", {"text": text, "icon_named": "mail"})

    def redirect(self, location: str) -> web.Response:
        """The 303 to the product."""
        return web.Response(status=303, headers={**PRIVATE_HEADERS, "Location": location})

    def refusal(self, request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
        """The page of a refusal for which nothing was looked up."""
        return self.refused(request, refusal, None)

    def refused(self, request: web.Request, refusal: Refusal, row: Row | None) -> web.Response:
        """The page of a refusal, with its status: what to do now, and a new link where we can send one."""
        words = self._words(request, row)
        name = _name_of(refusal, row)
        look = _LOOKS[name]
        context = {
            "text": _refusal_text(words, name, refusal),
            "icon_named": look.icon,
            "try_again": look.try_again,
            "facts": [],
        }
        if row is not None and name == "link_not_yet_valid":
            context["facts"] = [
                _fact(words, "from", words.moment(row["not_before"], row["time_zone"]), row["not_before"])
            ]
        if row is not None and name == "pairing_required" and row["passcode_format"]:
            context["more"] = words.text("passcode.text")
        if row is not None and name == "link_expired" and may_be_renewed(row):
            context["text"] = words.markup("renew.text", account=_account(row))
            # Relative to `/l/<token>`, which may stand behind a proxy under another path.
            context["renew_action"] = f"{request.match_info['token']}/renew"
        response = self._notice(words, row, name, context)
        response.set_status(status_of(refusal))
        response.headers.update(refusal_headers(refusal))
        return response

    def _words(self, request: web.Request, row: Row | None) -> Words:
        wanted = None if row is None else row["locale"]
        return self._wordings.choose(wanted, request.headers.get("Accept-Language"))

    def _notice(self, words: Words, row: Row | None, name: str, context: Mapping[str, Any]) -> web.Response:
        heading = words.text(f"{name}.heading")
        given = {
            "title": heading,
            "heading": heading,
            "try_again": False,
            "facts": [],
            "more": "",
            "renew_action": "",
        }
        return self._page("notice.html", words, row, {**given, **context})

    def _page(
        self,
        template: str,
        words: Words,
        row: Row | None,
        context: Mapping[str, Any],
        **policy: str,
    ) -> web.Response:
        branding = {} if row is None else row["branding"]
        brand = brand_style(branding.get("colour"))
        text = self._templates.get_template(template).render(
            words=words,
            brand_style=Markup(brand),  # noqa: S704 - made of hex digits
            app="" if row is None else _app_name(row),
            support_url=branding.get("support_url") or "",
            **context,
        )
        headers = {
            **PRIVATE_HEADERS,
            "Content-Security-Policy": _policy(f"{_STYLE_HASH} {_hash(brand)}", **policy),
            "Content-Language": words.tag,
        }
        return web.Response(text=text, content_type="text/html", headers=headers)


def may_be_renewed(row: Row) -> bool:
    """Say whether the page of an expired link offers a new one: we sent it, and any browser may open what we send."""
    return bool(row["channel"] != "none") and bool(row["binding"] != "require")


def _name_of(refusal: Refusal, row: Row | None) -> str:
    if refusal.code == "link_revoked" and row is not None and row["status"] == "superseded":
        return "superseded"
    if isinstance(refusal, USER_BARS):
        return "user_barred"
    return refusal.code if refusal.code in _LOOKS else "otherwise"


def _refusal_text(words: Words, name: str, refusal: Refusal) -> str:
    if name == "rate_limited":
        return words.counted("rate_limited.text", math.ceil(refusal.retry_after_seconds or _RETRY_SECONDS))
    return words.text(f"{name}.text")


def _app_name(row: Row) -> str:
    return " ".join(str(row["branding"].get("product_name") or row["app_name"]).split())


def _account(row: Row) -> str:
    """The address the link was sent to, masked; of a link we did not send, the user's e-mail address first."""
    by_phone = row["channel"] in ("sms", "whatsapp")
    first, second = (row["phone"], row["email"]) if by_phone else (row["email"], row["phone"])
    return mask(str(first or second or row["holder_username"]))


def _until(words: Words, row: Row) -> dict[str, str]:
    return _fact(words, "until", words.moment(row["expires_at"], row["time_zone"]), row["expires_at"])


def _asked(words: Words, row: Row) -> list[dict[str, str]]:
    """From where the link was asked for, so that its reader may notice that it was not they."""
    client = row["client"] or {}
    known = {name: word for name, word in device_words(client.get("user_agent")).items() if word}
    device = words.markup("asked.device", **known) if len(known) == 2 else "".join(known.values())
    address = ip_words(client.get("ip"))
    said = [part for part in (device, address and Markup("<bdi>{}</bdi>").format(address)) if part]
    return [_fact(words, "asked", Markup(" · ").join(said))] if said else []


def _fact(words: Words, name: str, text: str, moment: Any = None) -> dict[str, str]:
    return {
        "label": words.text(f"{name}.label"),
        "text": text,
        "datetime": "" if moment is None else moment.isoformat(),
    }
