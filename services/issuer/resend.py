"""The transition `resend`: another message for a link that was sent, by the same channel or by another one.

The link stays what it is: the same URL, the same end. Its passcode is a new one, and what an earlier message said of it is void.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.issuer.idempotency import Answered, Work
from services.issuer.reach import address_of
from services.issuer.revoke import revoke_waiting
from services.issuer.sending import (
    Asker,
    Letter,
    Post,
    SendingChannel,
    find_recipient,
    open_link,
    queue_letter,
    run_once,
    stand_alone,
)
from services.issuer.standing import standing_row
from services.issuer.tenancy import SQL
from shared.database import Connection, Row
from shared.errors import FieldProblem, Invalid, NotSent, RateLimited
from shared.links import Locale

# What one link may cost its recipient's patience. Counted in PostgreSQL: whoever flushes Redis gets no more of them.
MAX_MESSAGES: Final = 5
PAUSE_SECONDS: Final = 30.0


class ResendRequest(BaseModel):
    """The body of `POST /v1/links/{id}/resend`, which may be left out."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    channel: SendingChannel | None = None
    """Another channel, when the first one failed. Default: that of the last message."""
    locale: Locale | None = None
    """Another language (BCP 47) for this message. Default: that of the last message."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Sends links again."""

    post: Post

    async def one(self, asker: Asker, request: ResendRequest) -> Answered:
        """Send a link again; the answer is the message's `id` and `issued`, the link.

        Raises `NotFound`, `LinkOver`, `NotSent`, `Invalid`, `RateLimited` (too soon, too often, or a limit of texts) or `Unavailable`.
        """

        async def do(connection: Connection) -> dict[str, Any]:
            link = await open_link(connection, asker)
            last = await connection.fetchrow(SQL.read_last_message, asker.app.id, link["id"])
            if last is None:
                raise NotSent(f"use POST /v1/links/{link['id']}/send")
            return {"id": await self.another(connection, asker, (link, last), request)}

        return await run_once(self.post, asker, Work(do))

    async def another(
        self,
        connection: Connection,
        asker: Asker,
        sent: tuple[Row, Row],
        request: ResendRequest,
        *,
        keeps_passcode: bool = False,
    ) -> UUID:
        """Queue another message of a locked link that was sent; return its id. Raises `RateLimited` for one too many or too soon."""
        link, last = sent
        _refuse_flood(link, last)
        channel = request.channel or last["channel"]
        _refuse_other_proof(link, channel)
        recipient = await find_recipient(connection, asker, link, channel)
        # Somebody waits, also for a link that a batch made; a loop over many links ends up in the bulk lane by the app's rate.
        lane = await self.post.lanes.lane_for(asker.app, "interactive")
        locale = request.locale or last["locale"]
        # What still waits is not sent, and what had an unknown outcome is not tried again: nobody gets two. What is being sent right
        # now cannot be called back.
        await revoke_waiting(
            connection, asker.app.id, [link["id"]], asker.headers, statuses=("queued", "unknown")
        )
        # `channel`, and with it the token's `amr`, names the way of the newest message; the link of an older one works too.
        raises = link["passcode_format"] is not None and not keeps_passcode
        await connection.execute(
            SQL.change_sent_link, asker.app.id, link["id"], channel, lane, link["locale"], link["time_zone"],
            link["verifies"], link["passcode_format"], int(raises),
        )  # fmt: skip
        if raises and link["doors"] == "both":
            new = standing_row(link, link["passcode_format"], link["passcode_epoch"] + 1)
            await stand_alone(connection, self.post, asker, new)
        letter = Letter(channel, recipient, locale, last["template"], last["data"], lane, link["not_before"])
        return await queue_letter(connection, self.post, link, letter, asker)


def _refuse_flood(link: Row, last: Row) -> None:
    if last["messages"] >= MAX_MESSAGES:
        words = f"limit: {MAX_MESSAGES} messages a link; make a new one"
        raise RateLimited(words, retry_after_seconds=link["seconds_left"])
    wait_seconds = PAUSE_SECONDS - last["age_seconds"]
    if wait_seconds > 0:
        words = f"limit: one message of a link in {PAUSE_SECONDS:.0f} seconds"
        raise RateLimited(words, retry_after_seconds=wait_seconds)


def _refuse_other_proof(link: Row, channel: str) -> None:
    # Both messages hold one link: whoever redeemed the e-mail's would have "verified" a phone that is not theirs.
    proves = address_of(channel)
    if link["verifies"] not in (None, proves):
        words = f"this link verifies the user's {link['verifies']}: make another one to verify the {proves}"
        raise Invalid([FieldProblem("channel", "proves_another_address", words)])
