"""What goes into a message (`MessageContext`) and what comes out of its templates (`Content`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class CannotRender(Exception):  # noqa: N818 - states the fact
    """This message cannot be written. The text names the template and the rule, never a value."""


@dataclass(frozen=True, slots=True)
class WhatsAppTemplate:
    """A content template approved by WhatsApp, with its variables; `body` serves where none is configured."""

    content_sid: str | None
    variables: dict[str, str] = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """A rendered message, in every form a channel may want. Never logged: it holds the link."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    sms: str = field(repr=False)
    whatsapp: WhatsAppTemplate = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What the templates may use.

    `app_name`, `sender_name` and `brand_colour` (`#rrggbb`) come from the app's settings; `template_data` and
    `asker_user_agent` come from outside and are treated as hostile. `recipient` is shown as given: mask it before if
    it shall be masked. `ttl_seconds` is how long the link lives after acceptance; messages state the duration, not
    the time (DESIGN §6).
    """

    app_name: str
    url: str = field(repr=False)
    ttl_seconds: int
    recipient: str
    passcode: str | None = field(default=None, repr=False)
    asker_ip: str | None = None
    asker_user_agent: str | None = None
    template_data: Mapping[str, object] = field(default_factory=dict, repr=False)
    sender_name: str | None = None
    brand_colour: str | None = None
