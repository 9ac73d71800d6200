"""The transition `send`: the first message of a link that was made without one."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.issuer.idempotency import Answered, Work
from services.issuer.reach import address_of
from services.issuer.sending import (
    Asker,
    Letter,
    Post,
    SendingChannel,
    chosen_template,
    find_recipient,
    open_link,
    queue_letter,
    run_once,
    stand_alone,
)
from services.issuer.standing import standing_row
from services.issuer.tenancy import SQL
from shared.database import Connection, Row
from shared.errors import AlreadySent
from shared.links import Lane, Locale, SmallObject, TimeZone


class SendRequest(BaseModel):
    """The body of `POST /v1/links/{id}/send`: what a link request says of its message."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    channel: SendingChannel
    """What the link is sent by."""
    locale: Locale | None = None
    """Language of message and pages (BCP 47). Default: the link's."""
    time_zone: TimeZone | None = None
    """Zone that times are told in (IANA). Default: the link's."""
    template: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] | None = None
    """Another template than that of the type."""
    template_data: SmallObject = Field(default_factory=dict)
    """Values for the template, at most 4 KB as JSON."""
    lane: Lane | None = None
    """Default: the link's."""
    passcode: Annotated[bool, Field(strict=True)] = False
    """Put a passcode into the message as well, if the link has none yet."""
    verify_address: Annotated[bool, Field(strict=True)] = False
    """The link's use marks the address that it is sent to as verified."""


@dataclass(frozen=True, slots=True)
class Send:
    """Sends links that were made unsent."""

    post: Post

    async def one(self, asker: Asker, request: SendRequest) -> Answered:
        """Send a link; the answer is its message's `id` and `issued`, the link.

        A scheduled link keeps its beginning: its message is due then. Its life is what it was made with, also in an app whose lives
        begin with acceptance. Raises `NotFound`, `LinkOver`, `AlreadySent`, `Invalid`, `RateLimited` or `Unavailable`.
        """

        async def do(connection: Connection) -> dict[str, Any]:
            link = await open_link(connection, asker)
            if await connection.fetchrow(SQL.read_last_message, asker.app.id, link["id"]) is not None:
                raise AlreadySent
            return {"id": await self.first(connection, asker, link, request)}

        return await run_once(self.post, asker, Work(do))

    async def first(self, connection: Connection, asker: Asker, link: Row, request: SendRequest) -> UUID:
        """Queue the first message of a locked link; return its id."""
        recipient = await find_recipient(connection, asker, link, request.channel)
        lane = await self.post.lanes.lane_for(asker.app, request.lane or link["lane"])
        locale = request.locale or link["locale"]
        passcode_format = link["passcode_format"] or (asker.app.passcode_format if request.passcode else None)
        template = chosen_template(link, request.template, passcode_format)
        await connection.execute(
            SQL.change_sent_link, asker.app.id, link["id"], request.channel, lane, locale,
            request.time_zone or link["time_zone"], _verified_by(link, request), passcode_format, 0,
        )  # fmt: skip
        if link["passcode_format"] is None and passcode_format is not None:
            await stand_alone(connection, self.post, asker, standing_row(link, passcode_format, 0))
        letter = Letter(
            request.channel,
            recipient,
            locale,
            template,
            request.template_data,
            lane,
            link["not_before"],
        )
        return await queue_letter(connection, self.post, link, letter, asker)


def _verified_by(link: Row, request: SendRequest) -> str | None:
    """Consumption proves the address that the link went to."""
    if link["type"] != "verify_identifier" and not request.verify_address:
        return None
    return address_of(request.channel)
