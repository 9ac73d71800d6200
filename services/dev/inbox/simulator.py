"""Recipients that always fail in the same way, like Amazon SES's mailbox simulator and Twilio's test numbers.

`.example` belongs to nobody (RFC 2606), and +1 500 555 is where Twilio keeps its test numbers; theirs mean here what they
mean there. After the local part a label may follow: `bounce+ada@simulator.example`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DOMAIN = "simulator.example"
_LABEL = re.compile(r"\+[^@]*@")


@dataclass(frozen=True, slots=True)
class Simulated:
    """A recipient that fails; `rule` is what `PUT /api/failures` would be told."""

    to: str
    says: str
    rule: Mapping[str, Any]


def _mail(name: str, says: str, **rule: Any) -> Simulated:
    return Simulated(f"{name}@{DOMAIN}", says, rule)


def _phone(number: str, says: str, **rule: Any) -> Simulated:
    return Simulated(number, says, rule)


def simulated(to: str) -> Simulated | None:
    """Find the recipient, whatever label its address has."""
    plain = _LABEL.sub("@", to.casefold())
    return next((known for known in SIMULATED if known.to == plain), None)


SIMULATED: tuple[Simulated, ...] = (
    _mail("bounce", "taken, then bounces", kind="bounce"),
    _mail("reject", "refused for good: 550 5.1.1 at RCPT TO", kind="smtp_reply", code=550, enhanced_code="5.1.1",
          text="no such user here"),
    _mail("tempfail", "refused for now: 451 4.7.1 at RCPT TO", kind="smtp_reply", code=451, enhanced_code="4.7.1",
          text="try again later"),
    _mail("slow", "answers after 5 seconds", kind="delay", seconds=5),
    _mail("drop", "taken, no answer: the outcome is unknown", kind="drop"),
    _phone("+15005550001", "refused: 21211, not a valid number", kind="http_error", status=400, error_code=21211),
    _phone("+15005550002", "refused: 21612, cannot be reached", kind="http_error", status=400, error_code=21612),
    _phone("+15005550003", "refused: 21408, region not enabled", kind="http_error", status=400, error_code=21408),
    _phone("+15005550004", "refused: 21610, opted out", kind="http_error", status=400, error_code=21610),
    _phone("+15005550009", "refused: 21614, not a mobile number", kind="http_error", status=400, error_code=21614),
    _phone("+15005550029", "refused: 429, Retry-After 2 seconds", kind="http_error", status=429,
           retry_after_seconds=2),
    _phone("+15005550030", "taken, then reported undelivered: 30003", kind="callback", status="undelivered",
           error_code=30003),
    _phone("+15005550031", "taken, no answer: the outcome is unknown", kind="drop"),
)  # fmt: skip
