"""What one attempt to deliver a message came to (DESIGN §10 rule 6): a type, never a log line or a flag."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has taken the message. `detail` is the provider's own words, short."""

    provider: str
    provider_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """A passing failure, or a fault of our own set-up: nothing was sent, and another attempt may succeed.

    `after_seconds` is what the provider asked for; None leaves the back-off to the caller.
    """

    reason: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Final: this message will never reach this recipient."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The message was handed over and no answer came. It may have been taken, or not."""

    reason: str


Outcome = Delivered | TryLater | Undeliverable | Unknown

MAX_WORDS = 200
_ADDRESSES_OF_PAGES = re.compile(r"\S*(?:://|/l/)\S*")
_TOKEN_SHAPED = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{36,}(?![0-9A-Za-z])")


def provider_words(text: str) -> str:
    """Return a provider's answer as one short line that may be stored and logged.

    Spam filters like to quote the link they dislike ("554 contains the listed URL https://…"), and that link is a
    usable credential: whatever looks like a link or a token is taken out (G6).
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _ADDRESSES_OF_PAGES.sub("[link]", line)
    return _TOKEN_SHAPED.sub("[token]", line)[:MAX_WORDS]
