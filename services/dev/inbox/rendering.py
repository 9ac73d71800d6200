"""Turning templates into pages. Everything shown came from outside, so everything is escaped."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.dev.inbox.mailbox import CHANNELS, CaughtMessage, Channel, Mailbox
from services.dev.inbox.passcodes import find_passcode
from services.notifier.segments import measure_sms

CHANNEL_NAMES: Mapping[Channel, str] = {"email": "E-mail", "sms": "SMS", "whatsapp": "WhatsApp"}


class Renderer:
    """Renders a template with what every page shows: counts by channel, and the ages of messages."""

    def __init__(self, mailbox: Mailbox, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._templates = Environment(
            loader=PackageLoader("services.dev.inbox"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "title": title_of,
            "preview": preview_of,
            "passcode": passcode_of,
            "where": page_of,
            "conversation": conversation_of,
            "measure_sms": measure_sms,
            "names": CHANNEL_NAMES,
            "channels": CHANNELS,
        }
        self._templates.filters["ago"] = lambda moment: ago(now() - moment)
        self._templates.filters["clock"] = lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC")

    def page(self, template: str, *, status: int = 200, **context: object) -> web.Response:
        messages = self._mailbox.newest_first()
        unread = dict.fromkeys(CHANNELS, 0)
        for message in messages:
            unread[message.channel] += message.unread
        shown = {"unread": unread, "unread_in_all": sum(unread.values()), "active": None, "words": None}
        html = self._templates.get_template(template).render(shown | context)
        return web.Response(text=html, content_type="text/html", status=status)


def title_of(message: CaughtMessage) -> str:
    """The subject, or the beginning of a message that has none."""
    if message.channel == "email":
        return message.subject or "(no subject)"
    if message.template is not None:
        return " · ".join(["Template", *(str(value) for value in message.template.variables.values())])[:120]
    return " ".join(message.text.split())[:120] or "(empty message)"


def preview_of(message: CaughtMessage) -> str:
    """The beginning of an e-mail's text, for the list."""
    return " ".join(message.text.split())[:140] if message.channel == "email" else ""


def passcode_of(message: CaughtMessage) -> str | None:
    if message.template is not None:
        return find_passcode("\n".join(str(value) for value in message.template.variables.values()))
    return find_passcode(message.text)


def page_of(message: CaughtMessage) -> str:
    """Where a click in the list leads: the e-mail, or the message in its conversation."""
    if message.channel == "email":
        return f"/messages/{quote(message.id, safe='')}"
    return f"{conversation_of(message)}#m-{quote(message.id, safe='')}"


def conversation_of(message: CaughtMessage) -> str:
    return f"/conversations/{message.channel}/{quote(message.to, safe='')}"


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
