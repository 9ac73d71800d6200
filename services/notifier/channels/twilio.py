"""SMS and WhatsApp through Twilio's Messages API (2010-04-01), by Twilio's own client."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from services.notifier.channels import Outgoing
from services.notifier.channels.twilio_http import HttpClient, ProviderRefused, TwilioAccount
from services.notifier.outcomes import Delivered, Outcome, TryLater, Undeliverable, Unknown, provider_words

__all__ = ["SmsChannel", "TwilioAccount", "TwilioMessages", "TwilioSender", "WhatsAppChannel"]

PROVIDER = "twilio"

# https://www.twilio.com/docs/api/errors: refusals of this recipient or this message, whoever sends it and whenever.
FINAL_CODES = frozenset(
    {
        21211,  # invalid To
        21214,  # To cannot be reached
        21217,  # To does not appear to be valid
        21408,  # region of To not permitted
        21604,  # To missing
        21610,  # recipient opted out
        21612,  # To not reachable from From
        21614,  # To is not a mobile number
        21617,  # body too long
        21635,  # To is a landline
        63003,  # WhatsApp cannot find To
        63016,  # outside the session window, and not a template
        63024,  # invalid recipient
        63032,  # WhatsApp limits this recipient
        63033,  # recipient blocked the sender
    }
)


@dataclass(frozen=True, slots=True)
class TwilioSender:
    """Default sender: a number or name, or a messaging service (`MG…`). An app's own sender goes before both."""

    from_: str | None = None
    messaging_service_sid: str | None = None


class TwilioMessages:
    """`POST /Messages.json`, its answer mapped to an outcome; shared by the two channels."""

    def __init__(self, account: TwilioAccount) -> None:
        self._http = HttpClient(account)
        self._client = Client(account.account_sid, account.auth_token, http_client=self._http)
        self._callback_url = account.callback_url

    async def create(self, message: Outgoing, fields: Mapping[str, str]) -> Outcome:
        """Send one message; `fields` in the words of Twilio's client."""
        if self._callback_url is not None:
            # After an unknown outcome we have no SID, so the callback must name our message and attempt itself.
            query = urlencode({"message_id": str(message.message_id), "attempt": message.attempt})
            fields = {**fields, "status_callback": f"{self._callback_url}/callbacks/twilio?{query}"}
        try:
            taken = await self._client.messages.create_async(**fields)
        except ProviderRefused as refused:
            return outcome_of_refusal(refused)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return TryLater(f"no connection: {type(error).__name__}")
        except (aiohttp.ClientError, TimeoutError) as error:
            return Unknown(f"no answer: {type(error).__name__}")
        except (TwilioException, ValueError, KeyError, TypeError) as error:
            return Unknown(f"a success that cannot be read: {type(error).__name__}")
        return Delivered(PROVIDER, str(taken.sid), provider_words(str(taken.status)))

    async def close(self) -> None:
        await self._http.close()


class SmsChannel:
    """Sends SMS."""

    def __init__(self, messages: TwilioMessages, sender: TwilioSender) -> None:
        self._messages = messages
        self._sender = sender

    async def send(self, message: Outgoing) -> Outcome:
        fields = _sender_fields(message.sender, self._sender)
        return await self._messages.create(message, {"to": message.to, "body": message.content.sms, **fields})

    async def close(self) -> None:
        await self._messages.close()


class WhatsAppChannel:
    """Sends WhatsApp messages: by content template where one is approved, else as text (sandbox and dev)."""

    def __init__(self, messages: TwilioMessages, sender: TwilioSender) -> None:
        self._messages = messages
        self._sender = sender

    async def send(self, message: Outgoing) -> Outcome:
        fields = _sender_fields(message.sender, self._sender)
        if "from_" in fields:
            fields["from_"] = _whatsapp(fields["from_"])
        template = message.content.whatsapp
        if template.content_sid is None:
            fields["body"] = template.body
        else:
            fields["content_sid"] = template.content_sid
            fields["content_variables"] = json.dumps(template.variables, ensure_ascii=False)
        return await self._messages.create(message, {"to": _whatsapp(message.to), **fields})

    async def close(self) -> None:
        await self._messages.close()


def outcome_of_refusal(refused: ProviderRefused) -> Outcome:
    """Map an answer that is not a success.

    A 5xx to a POST says nothing about whether the message was taken, so it is unknown. What Twilio refuses for other
    reasons than the recipient or the message (credentials, sender, template, queue full) is ours to mend: it waits.
    """
    words = f"{refused.code or f'HTTP {refused.status}'}: {refused.words}".rstrip(": ")
    if refused.status == 429:
        return TryLater(words, refused.after_seconds)
    if refused.status >= 500:
        return Unknown(words)
    if refused.code in FINAL_CODES and refused.status not in {401, 403}:
        return Undeliverable(words)
    return TryLater(words, refused.after_seconds)


def _sender_fields(own: str | None, default: TwilioSender) -> dict[str, str]:
    if own is not None:
        return {"messaging_service_sid": own} if own.startswith("MG") and len(own) == 34 else {"from_": own}
    if default.messaging_service_sid is not None:
        return {"messaging_service_sid": default.messaging_service_sid}
    return {"from_": default.from_} if default.from_ is not None else {}


def _whatsapp(number: str) -> str:
    return number if number.startswith("whatsapp:") else f"whatsapp:{number}"
