"""The documented rules of Twilio's Messages endpoint that its OpenAPI description does not carry.

Source of the codes: Twilio's error dictionary, https://www.twilio.com/docs/api/errors
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import phonenumbers

from services.dev.inbox.mailbox import Channel
from services.dev.inbox.twilio_contract import Form, Parameters, coerce, first_invalid

MAX_BODY_CHARACTERS = 1_600
MAX_MEDIA = 10

_WHATSAPP = "whatsapp:"
_E164 = re.compile(r"\+[1-9]\d{5,14}")
_SHORT_CODE = re.compile(r"\d{3,8}")
_ALPHANUMERIC_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +\-_&]{1,11}")

_CODES = {
    "To": 21211,
    "From": 21212,
    "StatusCallback": 21609,
    "MediaUrl": 21620,
    "ContentSid": 21655,
    "MessagingServiceSid": 21705,
}
_BAD_REQUEST = 400


class TwilioRefusedError(Exception):
    """Refused in Twilio's error form; the text never repeats the value of a parameter, which may be a link."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """A request that keeps every rule. `to` and `sender` are bare, without `whatsapp:`."""

    channel: Channel
    to: str
    sender: str | None
    messaging_service_sid: str | None
    body: str | None
    content_sid: str | None
    content_variables: dict[str, Any]
    media_urls: tuple[str, ...]
    scheduled: bool
    status_callback: str | None


def check(form: Form) -> SendRequest:
    """A form as a request, or `TwilioRefusedError`; recipient first, then sender, then content, as Twilio does."""
    parameters = coerce(form)
    channel, to = _recipient(parameters)
    sender = _sender(parameters, channel)
    invalid = first_invalid(parameters)
    if invalid is not None:
        raise TwilioRefusedError(_CODES.get(invalid, _BAD_REQUEST), f"The parameter '{invalid}' is invalid.")
    _check_content(parameters)
    return SendRequest(
        channel=channel,
        to=to,
        sender=sender,
        messaging_service_sid=parameters.get("MessagingServiceSid"),
        body=parameters.get("Body"),
        content_sid=parameters.get("ContentSid"),
        content_variables=_content_variables(parameters),
        media_urls=tuple(parameters.get("MediaUrl", ())),
        scheduled="ScheduleType" in parameters,
        status_callback=parameters.get("StatusCallback"),
    )


def _recipient(parameters: Parameters) -> tuple[Channel, str]:
    to = parameters.get("To")
    if to is None:
        raise TwilioRefusedError(21604, "A 'To' phone number is required.")
    channel, number = _split(to)
    if not _is_phone_number(number):
        raise TwilioRefusedError(21211, "The 'To' number is not a valid phone number.")
    return channel, number


def _sender(parameters: Parameters, channel: Channel) -> str | None:
    sender = parameters.get("From")
    if sender is None:
        if "MessagingServiceSid" not in parameters:
            raise TwilioRefusedError(21603, "A 'From' phone number is required.")
        return None
    sender_channel, address = _split(sender)
    if sender_channel != channel:
        raise TwilioRefusedError(21910, "'From' and 'To' should be of the same channel.")
    forms = [_E164] if channel == "whatsapp" else [_E164, _SHORT_CODE, _ALPHANUMERIC_SENDER]
    if not any(form.fullmatch(address) for form in forms):
        raise TwilioRefusedError(
            21212, "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID."
        )
    return address


def _check_content(parameters: Parameters) -> None:
    body = parameters.get("Body")
    media_urls = parameters.get("MediaUrl", ())
    if body is None and not media_urls and "ContentSid" not in parameters:
        raise TwilioRefusedError(21619, "A Message Body, Media URL or Content SID is required.")
    if body is not None and len(body) > MAX_BODY_CHARACTERS:
        raise TwilioRefusedError(21617, "The concatenated message body exceeds the 1600 character limit.")
    if len(media_urls) > MAX_MEDIA:
        raise TwilioRefusedError(21623, "Number of media files exceeds allowed limit.")


def _content_variables(parameters: Parameters) -> dict[str, Any]:
    """The template's variables: a JSON object in which no value is null or empty (21656)."""
    text = parameters.get("ContentVariables")
    if text is None:
        return {}
    refusal = TwilioRefusedError(21656, "The ContentVariables Parameter is invalid.")
    if "ContentSid" not in parameters:
        raise refusal
    try:
        variables = json.loads(text)
    except (ValueError, RecursionError):
        raise refusal from None
    if not isinstance(variables, dict) or any(value in (None, "") for value in variables.values()):
        raise refusal
    return variables


def _split(address: str) -> tuple[Channel, str]:
    if address.startswith(_WHATSAPP):
        return "whatsapp", address.removeprefix(_WHATSAPP)
    return "sms", address


def _is_phone_number(number: str) -> bool:
    """E.164 and of a possible length for its country; reserved numbers such as +1 555 0100 are welcome here."""
    if not _E164.fullmatch(number):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False
