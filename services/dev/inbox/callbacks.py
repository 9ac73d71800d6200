"""Status callbacks: what Twilio says of a message later, in Twilio's order, signed as Twilio signs it.

Source: Twilio, "Track the Message Status of Outbound Messages" and "Validating requests".
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
import structlog
from twilio.request_validator import RequestValidator

from services.dev.inbox.guard import LOCAL_HOSTS
from services.dev.inbox.mailbox import CaughtMessage, Mailbox
from services.dev.inbox.statuses import Report, Status, words_of
from services.dev.inbox.twilio_auth import TwilioAccount
from services.dev.inbox.twilio_resource import API_VERSION

_log = structlog.get_logger()

MAX_COURIERS = 10_000
MAX_CALLS = 8
CALL_SECONDS = 5.0
RETRY_AFTER_SECONDS = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Step:
    """A status that is due, `error_code` when it is a failure."""

    status: Status
    error_code: int | None = None


class StatusCallbacks:
    """Takes each message through its statuses, and calls `StatusCallback` at each.

    `pace_seconds` lies between two statuses. One task a message, at most `MAX_COURIERS`; at most `MAX_CALLS` calls at a time.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        account: TwilioAccount | None,
        now: Callable[[], datetime],
        pace_seconds: float,
    ) -> None:
        self._mailbox = mailbox
        self._account = account
        self._now = now
        self._pace_seconds = pace_seconds
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._calls = asyncio.Semaphore(MAX_CALLS)
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        # No proxy of the environment: what we call is this machine.
        self._http = aiohttp.ClientSession(timeout=timeout, trust_env=False)

    def begin(self, message: CaughtMessage, steps: Sequence[Step]) -> None:
        """Report these statuses one after the other, in the place of those that are still to come for this message."""
        self._stop(message.id)
        if len(self._couriers) >= MAX_COURIERS:
            _log.warning("status_callbacks_left_out", message_id=message.id, under_way=len(self._couriers))
            return
        task = asyncio.create_task(self._report_all(message, steps))
        self._couriers[message.id] = task
        task.add_done_callback(lambda done: self._ended(message.id, done))

    def report_now(self, message: CaughtMessage, step: Step) -> None:
        """Report one status by hand; it ends what was to come by itself."""
        self._stop(message.id)
        task = asyncio.create_task(self._report(message, step))
        self._couriers[message.id] = task
        task.add_done_callback(lambda done: self._ended(message.id, done))

    async def close(self) -> None:
        couriers = list(self._couriers.values())
        for courier in couriers:
            courier.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)
        await self._http.close()

    def _stop(self, message_id: str) -> None:
        courier = self._couriers.pop(message_id, None)
        if courier is not None:
            courier.cancel()

    def _ended(self, message_id: str, task: asyncio.Task[None]) -> None:
        if self._couriers.get(message_id) is task:
            del self._couriers[message_id]
        if not task.cancelled():
            task.result()  # what nobody expected goes to the loop's exception handler, where it is seen

    async def _report_all(self, message: CaughtMessage, steps: Sequence[Step]) -> None:
        for step in steps:
            await asyncio.sleep(self._pace_seconds)
            await self._report(message, step)

    async def _report(self, message: CaughtMessage, step: Step) -> None:
        report = Report(step.status, self._now(), step.error_code)
        known = self._mailbox.get(message.id)
        # Its first status stands there since it was caught; what follows is new. A message that newer ones pushed out is
        # reported all the same: its sender waits to hear of it.
        if known is not None and known.reports and known.status == step.status:
            report = known.reports[-1]
        else:
            self._mailbox.report(message.id, report)
        if message.callback_url is None or self._account is None:
            return
        answer = await self._call(message, message.callback_url, report, self._account)
        self._mailbox.answered(message.id, report, answer)

    async def _call(self, message: CaughtMessage, url: str, report: Report, account: TwilioAccount) -> str:
        """Call back until it is answered; return what was answered, in a few words."""
        if not is_on_this_machine(url):
            # Whoever sends a message names this URL: a request forged into somebody's network is what it could be.
            return "not called: not on this machine"
        fields = callback_fields(message, report, account)
        signature = RequestValidator(account.auth_token).compute_signature(url, fields)
        answer = ""
        for wait_seconds in (*RETRY_AFTER_SECONDS, None):
            async with self._calls:
                answer, final = await self._post(url, fields, signature)
            if final or wait_seconds is None:
                break
            await asyncio.sleep(wait_seconds)
        _log.info("status_reported", message_id=message.id, status=report.status, answer=answer)
        return answer

    async def _post(self, url: str, fields: dict[str, str], signature: str) -> tuple[str, bool]:
        """One try: the answer in words, and whether it is the last."""
        headers = {"X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1"}
        try:
            async with self._http.post(url, data=fields, headers=headers, allow_redirects=False) as answer:
                return f"HTTP {answer.status}", answer.status < 500 and answer.status != 429
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"no answer: {type(error).__name__}", False


def is_on_this_machine(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.hostname in LOCAL_HOSTS and "@" not in parts.netloc


def callback_fields(message: CaughtMessage, report: Report, account: TwilioAccount) -> dict[str, str]:
    """Return the form that Twilio posts; `ErrorCode` only when something went wrong."""
    resource = message.resource or {}
    fields = {
        "AccountSid": account.sid,
        "ApiVersion": API_VERSION,
        "From": str(resource.get("from") or ""),
        "MessageSid": message.id,
        "MessageStatus": report.status,
        "SmsSid": message.id,
        "SmsStatus": report.status,
        "To": str(resource.get("to") or ""),
    }
    if message.channel == "whatsapp":
        fields["ChannelPrefix"] = "whatsapp"
    if resource.get("messaging_service_sid"):
        fields["MessagingServiceSid"] = str(resource["messaging_service_sid"])
    if report.error_code is not None:
        fields |= {"ErrorCode": str(report.error_code), "ErrorMessage": words_of(report.error_code)}
    return fields
