"""The pages of the inbox. Everything shown came from outside, so everything is escaped, and HTML mail is shown in a cage."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.resources import files

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.dev.inbox.mailbox import CaughtMessage, Mailbox

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


class Pages:
    """Handlers of `/`, `/messages/{id}`, `/messages/{id}/html` and the stylesheet."""

    def __init__(self, mailbox: Mailbox, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._now = now
        self._templates = Environment(
            loader=PackageLoader("services.dev.inbox"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._templates.globals["title"] = title_of
        self._templates.globals["sandbox"] = SANDBOX
        self._templates.filters["ago"] = lambda moment: ago(self._now() - moment)
        self._style = files("services.dev.inbox").joinpath("static/inbox.css").read_text("utf-8")

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.index),
            web.get("/messages/{id}", self.message),
            web.get("/messages/{id}/html", self.message_html),
            web.get("/static/inbox.css", self.style),
        ]

    async def index(self, _request: web.Request) -> web.Response:
        messages = self._mailbox.newest_first()
        return self._page("index.html", messages=messages[:LIST_LENGTH], count=len(messages))

    async def message(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return self._page("unknown.html", status=404)
        return self._page("message.html", message=message, source=message.source.decode("utf-8", "replace"))

    async def message_html(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None or message.html is None:
            return self._page("unknown.html", status=404)
        headers = {"Content-Security-Policy": MAIL_CSP}
        return web.Response(text=_MAIL_PREFIX + message.html, content_type="text/html", headers=headers)

    async def style(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css")

    def _page(self, template: str, *, status: int = 200, **context: object) -> web.Response:
        html = self._templates.get_template(template).render(context)
        return web.Response(text=html, content_type="text/html", status=status)


def title_of(message: CaughtMessage) -> str:
    """The subject, or the beginning of a message that has none."""
    if message.channel == "email":
        return message.subject or "(no subject)"
    return " ".join(message.text.split())[:120] or "(empty message)"


def ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3_600:
        return f"{seconds // 60} min ago"
    if seconds < 86_400:
        return f"{seconds // 3_600} h ago"
    return f"{seconds // 86_400} d ago"
