"""The pages people see: templates, wording, brand, and the headers that keep them to themselves.

One file a page, style and script inline under their hashes: no asset request, nothing that could carry the token elsewhere. The
script presses the button, in the browser that asked for the link and nowhere else; every page works without it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from aiohttp import web
from markupsafe import Markup

from services.verifier.colours import brand_style
from services.verifier.page_headers import PRIVATE_HEADERS, page_headers
from services.verifier.shapes import USER_BARS
from services.verifier.skeletons import Skeleton, Templates
from services.verifier.wording import Wordings, Words
from shared.asker import device_words, ip_words
from shared.database import Row
from shared.errors import Refusal
from shared.http.answers import Answer
from shared.http.problems import refusal_headers, status_of
from shared.recipients import mask
from shared.slots import slot

# How many of each a process keeps, of those asked for last: skeletons and refusals of 5 KB, and who asked for a link, half a KB.
_SKELETONS = 512
_REFUSALS = 256
_ASKERS = 1024


Form = Literal["first", "again", "auto"]


class Brand(NamedTuple):
    """What a page shows of an app; "" and None for what it has not."""

    app: str = ""
    colour: str | None = None
    support_url: str = ""


class Face(NamedTuple):
    """What a confirm page shows besides the values of its one link: pages of one face differ by the slots alone.

    `type`: of the link. `asked`: it is known who asked for it.
    """

    tag: str
    type: str
    form: Form
    brand: Brand
    asked: bool


class Slots(NamedTuple):
    """The values of one link on a confirm page: text, or `Markup`."""

    account: str
    until: str
    moment: str
    asked: str


_SLOTS = Slots(*map(slot, Slots._fields))


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
        self._templates = Templates()
        self._skeleton = lru_cache(_SKELETONS)(self._skeleton_of)
        self._refusal = lru_cache(_REFUSALS)(self._refusal_of)
        self._asked = lru_cache(_ASKERS)(self._asked_from)

    def confirm(self, request: web.Request, row: Row, form: Form = "first") -> web.Response:
        """The page with the one button: what it will do, for whom, until when.

        `again` is for the browser that consumed the link a moment ago: the button leads to the same place. `auto` is for the
        browser that asked for it: the button presses itself.
        """
        words = self._words(request, row)
        client = row["client"] or {}
        asked = self._asked(words.tag, client.get("user_agent"), client.get("ip")) if client else ""
        face = Face(words.tag, row["type"], form, _brand(row), bool(asked))
        ends = row["expires_at"]
        values = Slots(_account(row), words.moment(ends, row["time_zone"]), ends.isoformat(), asked)
        headers = page_headers(
            words.tag, face.brand.colour, row["redirect_url"] or "", scripted=form == "auto"
        )
        return Answer(body=self._skeleton(face).filled(values), headers=headers)

    def _skeleton_of(self, face: Face) -> Skeleton:
        return Skeleton(self.confirm_text(face, _SLOTS), Slots._fields)

    def confirm_text(self, face: Face, slots: Slots) -> str:
        """Return the confirm page with these values, written by jinja alone: what every filled skeleton is equal to."""
        words = self._wordings.of(face.tag)
        heading = {"app": face.brand.app}
        facts = [_fact(words, "until", slots.until, slots.moment)]
        context = {
            "title": words.text(f"{face.type}.heading", **heading),
            "heading": words.markup(f"{face.type}.heading", **heading),
            "promise": words.markup(f"{face.type}.text", account=slots.account),
            "button": words.text("again.button" if face.form == "again" else f"{face.type}.button"),
            "form": face.form,
            "facts": [*facts, _fact(words, "asked", slots.asked)] if face.asked else facts,
        }
        return self._render("confirm.html", words, face.brand, context)

    def done(self, request: web.Request, row: Row) -> web.Response:
        """For a link that leads nowhere. Its app learns of it by the event."""
        words = self._words(request, row)
        text = words.markup("done.text", app=_brand(row).app)
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
        """The page of a refusal for which nothing was looked up: those of storms, which differ by language and by how long to wait."""
        words, name = self._words(request, None), _name_of(refusal, None)
        body = self._refusal(words.tag, name, _refusal_text(words, name, refusal))
        return _refusing(refusal, Answer(body=body, headers=page_headers(words.tag, None)))

    def _refusal_of(self, tag: str, name: str, text: str) -> bytes:
        look = _LOOKS[name]
        context = {"text": text, "icon_named": look.icon, "try_again": look.try_again}
        return self._notice_text(self._wordings.of(tag), Brand(), name, context).encode()

    def refused(self, request: web.Request, refusal: Refusal, row: Row) -> web.Response:
        """The page of a link's refusal, with its status: what to do now, and a new link where we can send one."""
        words = self._words(request, row)
        name = _name_of(refusal, row)
        look = _LOOKS[name]
        context: dict[str, Any] = {
            "text": _refusal_text(words, name, refusal),
            "icon_named": look.icon,
            "try_again": look.try_again,
        }
        if name == "link_not_yet_valid":
            begins = row["not_before"]
            context["facts"] = [
                _fact(words, "from", words.moment(begins, row["time_zone"]), begins.isoformat())
            ]
        if name == "pairing_required" and row["passcode_format"]:
            context["more"] = words.text("passcode.text")
        if name == "link_expired" and may_be_renewed(row):
            context["text"] = words.markup("renew.text", account=_account(row))
            # Relative to `/l/<token>`, which may stand behind a proxy under another path.
            context["renew_action"] = f"{request.match_info['token']}/renew"
        return _refusing(refusal, self._notice(words, row, name, context))

    def _words(self, request: web.Request, row: Row | None) -> Words:
        wanted = None if row is None else row["locale"]
        return self._wordings.choose(wanted, request.headers.get("Accept-Language"))

    def _notice(self, words: Words, row: Row, name: str, context: Mapping[str, Any]) -> web.Response:
        brand = _brand(row)
        body = self._notice_text(words, brand, name, context).encode()
        return Answer(body=body, headers=page_headers(words.tag, brand.colour))

    def _notice_text(self, words: Words, brand: Brand, name: str, context: Mapping[str, Any]) -> str:
        heading = words.text(f"{name}.heading")
        given = {
            "title": heading,
            "heading": heading,
            "try_again": False,
            "facts": [],
            "more": "",
            "renew_action": "",
        }
        return self._render("notice.html", words, brand, {**given, **context})

    def _render(self, template: str, words: Words, brand: Brand, context: Mapping[str, Any]) -> str:
        style = Markup(brand_style(brand.colour))  # noqa: S704 - made of hex digits
        given = {"words": words, "brand_style": style, "app": brand.app, "support_url": brand.support_url}
        return self._templates.render(template, {**given, **context})

    def _asked_from(self, tag: str, user_agent: str | None, ip: str | None) -> Markup:
        """From where the link was asked for, so that its reader may notice that it was not they."""
        known = {name: word for name, word in device_words(user_agent).items() if word}
        words, device = self._wordings.of(tag), Markup().join(known.values())
        if len(known) == 2:
            device = words.markup("asked.device", **known)
        address = ip_words(ip)
        said = [part for part in (device, address and Markup("<bdi>{}</bdi>").format(address)) if part]
        return Markup(" · ").join(said)


def may_be_renewed(row: Row) -> bool:
    """Say whether the page of an expired link offers a new one: we sent it, and any browser may open what we send."""
    return bool(row["channel"] != "none") and bool(row["binding"] != "require")


def _name_of(refusal: Refusal, row: Row | None) -> str:
    if refusal.code == "link_revoked" and row is not None and row["status"] == "superseded":
        return "superseded"
    if isinstance(refusal, USER_BARS):
        return "user_barred"
    return refusal.code if refusal.code in _LOOKS else "otherwise"


def _refusing(refusal: Refusal, response: web.Response) -> web.Response:
    response.set_status(status_of(refusal))
    response.headers.update(refusal_headers(refusal))
    return response


def _refusal_text(words: Words, name: str, refusal: Refusal) -> str:
    if name == "rate_limited":
        return words.counted("rate_limited.text", math.ceil(refusal.retry_after_seconds or _RETRY_SECONDS))
    return words.text(f"{name}.text")


def _brand(row: Row) -> Brand:
    branding = row["branding"]
    app = " ".join(str(branding.get("product_name") or row["app_name"]).split())
    return Brand(app, branding.get("colour"), branding.get("support_url") or "")


def _account(row: Row) -> str:
    """The address the link was sent to, masked; of a link we did not send, the user's e-mail address first."""
    by_phone = row["channel"] in ("sms", "whatsapp")
    first, second = (row["phone"], row["email"]) if by_phone else (row["email"], row["phone"])
    return mask(str(first or second or row["holder_username"]))


def _fact(words: Words, name: str, text: str, moment: str = "") -> dict[str, str]:
    return {"label": words.text(f"{name}.label"), "text": text, "datetime": moment}
