"""Failing on purpose: rules that a developer sets, and recipients that always fail, to see what the cluster makes of it."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.dev.inbox.mailbox import Channel
from services.dev.inbox.simulator import simulated

MAX_RULES = 50
MAX_DELAY_SECONDS = 120.0


class _Rule(BaseModel):
    """What all rules have. `to`: an address or number, `*` stands for any letters; `times`: `None` is until cleared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[str, Field(min_length=1, max_length=320)] = "*"
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @property
    def channels(self) -> frozenset[Channel]:
        raise NotImplementedError

    def matches(self, channel: Channel, to: str) -> bool:
        return channel in self.channels and fnmatchcase(to.casefold(), _pattern(self.to))


class _ForMail(_Rule):
    channel: Literal["email"] = "email"

    @property
    def channels(self) -> frozenset[Channel]:
        return frozenset({"email"})


class _ForPhones(_Rule):
    channel: Literal["sms", "whatsapp"] | None = None

    @property
    def channels(self) -> frozenset[Channel]:
        return frozenset({self.channel} if self.channel else {"sms", "whatsapp"})


class _ForAll(_Rule):
    channel: Channel | None = None

    @property
    def channels(self) -> frozenset[Channel]:
        return frozenset({self.channel} if self.channel else {"email", "sms", "whatsapp"})


class SmtpReply(_ForMail):
    """The mail server refuses with `code` (RFC 5321), at RCPT TO or after DATA. Nothing is caught."""

    kind: Literal["smtp_reply"]
    at: Literal["rcpt", "data"] = "rcpt"
    code: Annotated[int, Field(ge=400, le=599)]
    enhanced_code: Annotated[str, Field(pattern=r"^[45]\.\d{1,3}\.\d{1,3}$")] | None = None
    text: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,200}$")] = "refused by the dev inbox, as it was told"

    @model_validator(mode="after")
    def _same_class(self) -> Self:
        if self.enhanced_code and self.enhanced_code[0] != str(self.code)[0]:
            raise ValueError("enhanced_code begins with the same digit as code (RFC 3463)")
        return self

    @property
    def reply(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced_code, self.text) if part)


class Bounce(_ForMail):
    """The mail is taken, and a delivery status notification (RFC 3464) to its sender follows."""

    kind: Literal["bounce"]


class HttpError(_ForPhones):
    """Twilio's API answers with an error in Twilio's form. Nothing is caught."""

    kind: Literal["http_error"]
    status: Annotated[int, Field(ge=400, le=599)]
    error_code: Annotated[int, Field(ge=10_000, le=99_999)] | None = None
    retry_after_seconds: Annotated[int, Field(ge=0, le=3_600)] | None = None


class CallbackStatus(_ForPhones):
    """The message is taken, and its status callback ends in `undelivered` or `failed` with a code."""

    kind: Literal["callback"]
    status: Literal["undelivered", "failed"]
    error_code: Annotated[int, Field(ge=10_000, le=99_999)] | None = None


class Delay(_ForAll):
    """The answer comes late: at RCPT TO, or from Twilio's API."""

    kind: Literal["delay"]
    seconds: Annotated[float, Field(gt=0, le=MAX_DELAY_SECONDS)]


class Drop(_ForAll):
    """The message is taken and the connection ends without an answer: the sender cannot know."""

    kind: Literal["drop"]


Failure = SmtpReply | Bounce | HttpError | CallbackStatus | Delay | Drop
KINDS = frozenset({"smtp_reply", "bounce", "http_error", "callback", "delay", "drop"})


class RuleSet(BaseModel):
    """The body of `PUT /api/failures`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: Annotated[list[Annotated[Failure, Field(discriminator="kind")]], Field(max_length=MAX_RULES)]


@dataclass(slots=True)
class Standing:
    """A rule in force, and how often it struck."""

    rule: Failure
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    hits: int = 0

    @property
    def left(self) -> int | None:
        return None if self.rule.times is None else self.rule.times - self.hits

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "hits": self.hits, "left": self.left, **self.rule.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class Struck:
    """What an attempt meets: perhaps a delay, and perhaps one failure."""

    delay_seconds: float = 0.0
    failure: SmtpReply | Bounce | HttpError | CallbackStatus | Drop | None = None


class Failures:
    """The rules in force. `changed` is called whenever one is set, strikes or goes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._standing: list[Standing] = []
        self._changed = changed

    @property
    def standing(self) -> Sequence[Standing]:
        return tuple(self._standing)

    def replace(self, rules: Sequence[Failure]) -> None:
        self._standing = [Standing(rule) for rule in rules]
        self._changed()

    def add(self, rule: Failure) -> bool:
        """Add a rule; `False` when there are too many."""
        if len(self._standing) >= MAX_RULES:
            return False
        self._standing.append(Standing(rule))
        self._changed()
        return True

    def remove(self, rule_id: str) -> None:
        self._standing = [standing for standing in self._standing if standing.id != rule_id]
        self._changed()

    def strike(self, channel: Channel, to: str) -> Struck:
        """Say what this attempt meets: the first delay and the first failure that match, then the simulator's own.

        A rule that struck its last time is gone.
        """
        hits = [standing for standing in self._standing if standing.rule.matches(channel, to)]
        delays = [standing for standing in hits if isinstance(standing.rule, Delay)][:1]
        failures = [standing for standing in hits if not isinstance(standing.rule, Delay)][:1]
        for standing in (*delays, *failures):
            standing.hits += 1
        if hits:
            self._standing = [standing for standing in self._standing if standing.left != 0]
            self._changed()
        own = [standing.rule for standing in (*delays, *failures)]
        return _struck([*own, *_simulated(channel, to)])


def _struck(rules: Sequence[Failure]) -> Struck:
    delays = [rule.seconds for rule in rules if isinstance(rule, Delay)]
    failures = [rule for rule in rules if not isinstance(rule, Delay)]
    return Struck(delays[0] if delays else 0.0, failures[0] if failures else None)


def _simulated(channel: Channel, to: str) -> Sequence[Failure]:
    known = simulated(to)
    rules = RuleSet.model_validate({"rules": [known.rule]}).rules if known else ()
    return [rule for rule in rules if channel in rule.channels]


def _pattern(to: str) -> str:
    # Only the star is a wildcard: brackets and question marks are letters of an address.
    return "".join(f"[{letter}]" if letter in "[?" else letter for letter in to.casefold())
