"""`POST /callbacks/twilio`: what Twilio says of a message later. Its signature stands in the place of an API key.

The signature covers the URL, whose query names our message and attempt, and every form field (Twilio, "Validating requests").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from aiohttp import web
from twilio.request_validator import RequestValidator

from services.notifier.outcomes import provider_words
from services.notifier.store import SOURCE, SQL, LifeOf, begin_lives, lock_unaccepted_links
from shared import outbox
from shared.database import Connection, Pool
from shared.errors import FieldProblem, Forbidden, Invalid, Malformed
from shared.http.routes import SMALL_BODY_BYTES, Call, Described, Public, Route, read_body
from shared.messages import MessageFacts, Told, message_row
from shared.outbox import EVENTS_LANE, OutboxBell

log = structlog.get_logger()

PATH = "/callbacks/twilio"
# Twilio's message status -> ours. The others (queued, sending, scheduled) say nothing that we do not know.
_STATUS: Mapping[str, str] = {
    "accepted": "accepted",
    "sent": "accepted",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
}
_ACCEPTED = frozenset({"accepted", "delivered"})


@dataclass(frozen=True, slots=True)
class TwilioCallbacks:
    """The handler, and what it needs. `callback_url` is the origin that Twilio was told, and signs."""

    pool: Pool
    bell: OutboxBell
    auth_token: str
    callback_url: str

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                PATH,
                self.receive,
                Public("signed by Twilio"),
                described=Described(answers={204: None}, refusals=(Forbidden, Malformed, Invalid)),
            )
        ]

    async def receive(self, call: Call) -> web.Response:
        """Take what Twilio says of a message (a form, `X-Twilio-Signature`)."""
        fields = _form(await read_body(call.request, SMALL_BODY_BYTES))
        # An attacker without the auth token cannot make this header; the validator compares in constant time.
        url = f"{self.callback_url}{call.request.path_qs}"
        given = call.request.headers.get("X-Twilio-Signature", "")
        if not RequestValidator(self.auth_token).validate(url, fields, given):
            raise Forbidden("the X-Twilio-Signature does not match")
        status = _STATUS.get(fields.get("MessageStatus", ""))
        if status is not None:
            await self._apply(_named(call.request.query), status, fields, call.request_id)
        return web.Response(status=204)

    async def _apply(
        self, named: tuple[UUID, int], status: str, fields: Mapping[str, str], request_id: str
    ) -> None:
        code = fields.get("ErrorCode")
        words = provider_words(f"{code}: {fields.get('ErrorMessage', '')}".rstrip(": ")) if code else None
        async with self.pool.acquire() as connection, connection.transaction():
            life = await self._life(connection, named[0]) if status in _ACCEPTED else []
            await lock_unaccepted_links(connection, life)
            row = await connection.fetchrow(
                SQL.apply_callback, *named, status, fields.get("MessageSid"), words
            )
            if row is None:
                return  # nothing new, or nothing of ours
            await begin_lives(connection, life)
            facts = MessageFacts.of(row)
            await outbox.append(
                connection,
                [
                    message_row(
                        SOURCE, facts, Told(status, row["attempts"], "twilio"), {"x-request-id": request_id}
                    )
                ],
            )
        self.bell.ring(EVENTS_LANE)
        log.info("delivery_reported", message_id=str(row["id"]), status=status)

    async def _life(self, connection: Connection, message_id: UUID) -> list[LifeOf]:
        """The link of the message: after an unknown outcome its life begins with this report."""
        row = await connection.fetchrow(SQL.link_of_message, message_id)
        return [LifeOf(row["link_id"], row["app_id"])] if row is not None else []


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except (UnicodeDecodeError, ValueError):
        raise Malformed("the body is not a form in UTF-8") from None


def _named(query: Mapping[str, str]) -> tuple[UUID, int]:
    try:
        return UUID(query["message_id"]), int(query["attempt"])
    except (KeyError, ValueError):
        raise Invalid(
            [FieldProblem("message_id", "callback_query", "needs message_id and attempt")]
        ) from None
