"""The list, and the pages of one message. HTML mail is shown in a cage."""

import re
from importlib.resources import files

from aiohttp import web

from services.dev.inbox.mailbox import CHANNELS, CaughtMessage, Filter, Mailbox
from services.dev.inbox.rendering import Renderer

# The frame's own policy, in force also when the address is opened by hand: no script, no remote asset, no form, no access to
# the inbox (an opaque origin). Popups are allowed so that a click on the mail's button opens the link, outside the cage.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
MAIL_CSP = (
    f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# First in the document, so it wins over any <base> of the mail: links open a new tab instead of the frame.
_MAIL_PREFIX = '<!doctype html><meta charset="utf-8"><base target="_blank">\n'
LIST_LENGTH = 200

MAIL_VIEWS = {
    "html": "HTML",
    "text": "Text",
    "headers": "Headers",
    "source": "Source",
    "markup": "HTML source",
}
PHONE_VIEWS = {"text": "Text", "headers": "Parameters", "source": "Source"}
SCHEMES = ("light", "dark")
WIDTHS = ("desktop", "phone")
_QUERIES = {scheme: re.compile(rf"prefers-color-scheme\s*:\s*{scheme}", re.IGNORECASE) for scheme in SCHEMES}
_STATIC = {
    "inbox.css": "text/css",
    "inbox.js": "text/javascript",
    "live.js": "text/javascript",
    "copy.js": "text/javascript",
}


class Pages:
    """Handlers of `/`, `/messages/{id}` and what belongs to it, and the style sheet and scripts."""

    def __init__(self, mailbox: Mailbox, renderer: Renderer) -> None:
        self._mailbox = mailbox
        self._renderer = renderer
        folder = files("services.dev.inbox").joinpath("static")
        self._static = {name: folder.joinpath(name).read_text("utf-8") for name in _STATIC}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.index),
            web.post("/clear", self.clear),
            web.get("/messages/{id}", self.message),
            web.get("/messages/{id}/html", self.message_html),
            web.get("/messages/{id}/source", self.message_source),
            web.get("/static/{name}", self.static),
        ]

    async def index(self, request: web.Request) -> web.Response:
        words = request.query.get("q", "").strip() or None
        channel = next((known for known in CHANNELS if known == request.query.get("channel")), None)
        messages = self._mailbox.newest_first(Filter(channel=channel, words=words))
        return self._renderer.page(
            "index.html",
            messages=messages[:LIST_LENGTH],
            count=len(messages),
            active=channel or "all",
            words=words,
        )

    async def clear(self, _request: web.Request) -> web.Response:
        self._mailbox.clear()
        raise web.HTTPSeeOther("/")

    async def message(self, request: web.Request) -> web.Response:
        """`?view=` one of the tabs; for HTML also `&scheme=light|dark` and `&width=desktop|phone`."""
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return self._renderer.page("unknown.html", status=404)
        self._mailbox.note_reading(message.id)
        views = views_of(message)
        return self._renderer.page(
            "message.html",
            message=message,
            views=views,
            view=_choice(request.query.get("view"), tuple(views)),
            scheme=_choice(request.query.get("scheme"), SCHEMES),
            width=_choice(request.query.get("width"), WIDTHS),
            sandbox=SANDBOX,
            active=message.channel,
            source=message.source.decode("utf-8", "replace"),
        )

    async def message_html(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None or message.html is None:
            return self._renderer.page("unknown.html", status=404)
        html = in_scheme(message.html, _choice(request.query.get("scheme"), SCHEMES))
        headers = {"Content-Security-Policy": MAIL_CSP, "Referrer-Policy": "no-referrer"}
        return web.Response(text=_MAIL_PREFIX + html, content_type="text/html", headers=headers)

    async def message_source(self, request: web.Request) -> web.Response:
        """The raw message as a file; never shown by the browser itself, whatever it holds."""
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return self._renderer.page("unknown.html", status=404)
        kind, end = ("message/rfc822", "eml") if message.channel == "email" else ("text/plain", "txt")
        name = f"{message.id}.{end}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=message.source, content_type=kind, headers=headers)

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        return web.Response(text=self._static[name], content_type=_STATIC[name], charset="utf-8")


def views_of(message: CaughtMessage) -> dict[str, str]:
    """Return the tabs of a message, the one that is shown at first in front."""
    if message.channel != "email":
        return PHONE_VIEWS
    if message.html is None:
        return {view: name for view, name in MAIL_VIEWS.items() if view not in {"html", "markup"}}
    return MAIL_VIEWS


def in_scheme(html: str, scheme: str) -> str:
    """Make the mail's own media queries come out as in a mail program of that scheme, whatever the browser prefers."""
    for name, query in _QUERIES.items():
        html = query.sub("min-width:0" if name == scheme else "max-width:0", html)
    return html


def _choice(wanted: str | None, known: tuple[str, ...]) -> str:
    return wanted if wanted in known else known[0]
