"""What becomes of a message after it was taken: Twilio's statuses in Twilio's order, and what went wrong in its words.

Sources: Twilio, "Message resource" (status values) and the error dictionary, https://www.twilio.com/docs/api/errors
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["accepted", "queued", "sent", "delivered", "read", "undelivered", "failed", "bounced"]
# What may be reported by hand: these are the statuses that Twilio calls back with and that end or advance a delivery.
Reportable = Literal["sent", "delivered", "read", "undelivered", "failed"]

UNDELIVERED_CODE = 30003
FAILED_CODE = 30008

# Error code -> Twilio's words. Refusals of a request first, then reports of a delivery.
ERRORS: Mapping[int, str] = {
    20001: "Unknown parameters",
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    20503: "Service Unavailable",
    21211: "The 'To' number is not a valid phone number.",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number.",
    21610: "Attempt to send to unsubscribed recipient",
    21612: "The 'To' phone number is not currently reachable via SMS or MMS.",
    21614: "'To' number is not a valid mobile number",
    63016: "Failed to send freeform message because you are outside the allowed window. "
    "If you are using WhatsApp, please use a Message Template.",
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    63024: "Invalid message recipient",
}


@dataclass(frozen=True, slots=True)
class Report:
    """One step of a delivery. `answer` is what the status callback's receiver said, `None` while nobody was asked."""

    status: Status
    at: datetime
    error_code: int | None = None
    answer: str | None = None

    @property
    def words(self) -> str | None:
        """Say what went wrong, in the provider's words."""
        return None if self.error_code is None else words_of(self.error_code)


def words_of(code: int) -> str:
    return ERRORS.get(code, f"Error {code}")
