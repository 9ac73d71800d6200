"""Caught messages, in memory: the newest thousand, whichever channel they came by."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

Channel = Literal["email", "sms", "whatsapp"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

CAPACITY = 1_000
MESSAGE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtMessage:
    """One message to one recipient.

    `to` is a bare address or E.164 number. `links` are http(s) URLs in order of appearance. `headers` are those of the
    e-mail, or the parameters of the Twilio request. `source` is the raw e-mail or request body. `resource` is the Message
    that the Twilio endpoint answered with.
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
    source: bytes
    resource: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages to list; `None` is all. `to` is compared without case and without `whatsapp:`."""

    to: str | None = None
    channel: Channel | None = None

    def matches(self, message: CaughtMessage) -> bool:
        if self.channel is not None and message.channel != self.channel:
            return False
        return self.to is None or _comparable(message.to) == _comparable(self.to)


class Mailbox:
    """Keeps the newest `capacity` messages; older ones are forgotten."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._messages: OrderedDict[str, CaughtMessage] = OrderedDict()

    def add(self, message: CaughtMessage) -> None:
        self._messages[message.id] = message
        while len(self._messages) > self._capacity:
            self._messages.popitem(last=False)

    def get(self, message_id: str) -> CaughtMessage | None:
        return self._messages.get(message_id)

    def newest_first(self, wanted: Filter | None = None) -> list[CaughtMessage]:
        wanted = wanted or Filter()
        return [message for message in reversed(self._messages.values()) if wanted.matches(message)]

    def clear(self) -> None:
        self._messages.clear()

    def __len__(self) -> int:
        return len(self._messages)


def _comparable(address: str) -> str:
    # A `+` that a caller left unencoded in a query string arrives as a space.
    if address.startswith(" "):
        address = "+" + address.lstrip()
    return address.removeprefix("whatsapp:").strip().casefold()
