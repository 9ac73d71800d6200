"""What goes into a message (`MessageContext`) and what comes out of its templates (`Content`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


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
    """A rendered message, in every form that its channel may want. Never logged: it holds the link."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    sms: str = field(repr=False)
    whatsapp: WhatsAppTemplate = field(repr=False)


@dataclass(frozen=True, slots=True)
class Brand:
    """How an app appears in its messages. `colour` is `#rrggbb`; URLs that are not https are left out."""

    app_name: str
    sender_name: str | None = None
    colour: str | None = None
    support_url: str | None = None
    logo_url: str | None = None
    footer: str | None = None

    @classmethod
    def of(cls, app_name: str, branding: Mapping[str, object] | None, sender_name: str | None) -> "Brand":
        """Read an app's `branding`; what is missing there, or no text, is left out."""
        given = {name: value for name, value in (branding or {}).items() if isinstance(value, str) and value}
        return cls(
            app_name=given.get("product_name", app_name),
            sender_name=sender_name,
            colour=given.get("colour"),
            support_url=given.get("support_url"),
            logo_url=given.get("logo_url"),
            footer=given.get("footer"),
        )


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What the templates may use.

    `brand` comes from the app's settings; `template_data` and `asker_user_agent` come from outside and are treated as
    hostile. `recipient` is shown as given: mask it before if it shall be masked. `ttl_seconds` is how long the link
    lives after acceptance; messages state the duration (DESIGN §6). `valid_until` is None where the life has not begun.
    `url` is None for a passcode without a link: its templates have no `url`.
    `time_zone` is the user's, an IANA name. `app_id` chooses the app's own templates. `channel`: the one whose forms are wanted; None: all.
    """

    brand: Brand
    url: str | None = field(repr=False)
    ttl_seconds: int
    recipient: str
    asked_at: datetime
    passcode: str | None = field(default=None, repr=False)
    asker_ip: str | None = None
    asker_user_agent: str | None = None
    template_data: Mapping[str, object] = field(default_factory=dict, repr=False)
    valid_until: datetime | None = None
    time_zone: str | None = None
    app_id: str | None = None
    channel: str | None = None
