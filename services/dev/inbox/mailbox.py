"""Caught messages, in memory: the newest thousand, whichever channel they came by, and who wants to hear of them."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args

from services.dev.inbox.statuses import Report, Status

Channel = Literal["email", "sms", "whatsapp"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
What = Literal["caught", "changed", "cleared"]

CAPACITY = 1_000
MESSAGE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Template:
    """A content template that a WhatsApp message names; its approved wording lives at Twilio."""

    content_sid: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtMessage:
    """One message to one recipient.

    `to` is a bare address or E.164 number. `links` are http(s) URLs in order of appearance. `headers` are those of the
    e-mail, or the parameters of the Twilio request. `source` is the raw e-mail or request body. `resource` is the Message
    that the Twilio endpoint answered with, `callback_url` where its status reports go. `reports` is what became of it,
    oldest first; an ordinary e-mail has none. `note` says what the inbox did on purpose, such as "connection dropped".
    """

    id: str
    channel: Channel
    to: str
    sender: str
    subject: str | None
    text: str
    html: str | None
    links: tuple[str, ...]
    received_at: datetime
    headers: tuple[tuple[str, str], ...]
    source: bytes = field(repr=False)
    resource: Mapping[str, Any] | None = None
    callback_url: str | None = None
    template: Template | None = None
    reports: tuple[Report, ...] = ()
    note: str | None = None
    unread: bool = True

    @property
    def status(self) -> Status | None:
        return self.reports[-1].status if self.reports else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages to list; `None` is all.

    `to` is compared without case and without `whatsapp:`. Every word of `words` must stand in the recipient, the
    subject or the text, in any case.
    """

    to: str | None = None
    channel: Channel | None = None
    words: str | None = None

    def matches(self, message: CaughtMessage) -> bool:
        if self.channel is not None and message.channel != self.channel:
            return False
        if self.to is not None and _comparable(message.to) != _comparable(self.to):
            return False
        if self.words is None:
            return True
        text = f"{message.to}\n{message.subject or ''}\n{message.text}".casefold()
        return all(word in text for word in self.words.casefold().split())


Listener = Callable[[What, CaughtMessage | None], None]


class Mailbox:
    """Keeps the newest `capacity` messages; older ones are forgotten. Listeners must neither block nor raise."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._messages: OrderedDict[str, CaughtMessage] = OrderedDict()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def add(self, message: CaughtMessage) -> None:
        self._messages[message.id] = message
        while len(self._messages) > self._capacity:
            self._messages.popitem(last=False)
        self._tell("caught", message)

    def get(self, message_id: str) -> CaughtMessage | None:
        return self._messages.get(message_id)

    def newest_first(self, wanted: Filter | None = None) -> list[CaughtMessage]:
        wanted = wanted or Filter()
        return [message for message in reversed(self._messages.values()) if wanted.matches(message)]

    def report(self, message_id: str, report: Report) -> CaughtMessage | None:
        """Note what became of a message. `None`: it is not here any more."""
        message = self._messages.get(message_id)
        return message and self._put(replace(message, reports=(*message.reports, report)))

    def answered(self, message_id: str, report: Report, answer: str) -> None:
        """Note what the receiver of a report's callback answered."""
        message = self._messages.get(message_id)
        if message is not None:
            reports = tuple(replace(r, answer=answer) if r is report else r for r in message.reports)
            self._put(replace(message, reports=reports))

    def note_reading(self, *message_ids: str) -> None:
        for message_id in message_ids:
            message = self._messages.get(message_id)
            if message is not None and message.unread:
                self._put(replace(message, unread=False))

    @property
    def unread(self) -> int:
        return sum(message.unread for message in self._messages.values())

    def clear(self) -> None:
        self._messages.clear()
        self._tell("cleared", None)

    def __len__(self) -> int:
        return len(self._messages)

    def _put(self, message: CaughtMessage) -> CaughtMessage:
        self._messages[message.id] = message
        self._tell("changed", message)
        return message

    def _tell(self, what: What, message: CaughtMessage | None) -> None:
        for listener in self._listeners:
            listener(what, message)


def _comparable(address: str) -> str:
    # A `+` that a caller left unencoded in a query string arrives as a space.
    if address.startswith(" "):
        address = "+" + address.lstrip()
    return address.removeprefix("whatsapp:").strip().casefold()
