"""What `send` and `resend` have in common: the link, locked; its user's address of today; the message that is queued."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from services.issuer.idempotency import Answered, Once, Work
from services.issuer.key_limits import channel_problems, link_problems
from services.issuer.lanes import Lanes
from services.issuer.link_rows import SOURCE
from services.issuer.orders import Guard, Issued
from services.issuer.policy import App
from services.issuer.reach import address_missing, address_of
from services.issuer.standing import Standing, give_passcodes
from services.issuer.tenancy import SQL
from services.issuer.text_limits import TextLimits
from shared import outbox
from shared.database import Connection, Row
from shared.errors import FieldProblem, Invalid, LinkOver, NotFound
from shared.http.routes import KeyLimits
from shared.keys import KeyRing
from shared.link_faults import is_passcode_template
from shared.messages import MessageFacts, Queueing, queued_row
from shared.outbox import OutboxBell
from shared.tokens import new_link_id

SendingChannel = Literal["email", "sms", "whatsapp"]

_LIVE = ("issued", "scheduled")


@dataclass(frozen=True, slots=True)
class Post:
    """What sending needs: keys that were used, lanes, what texts may cost, the lease of a queued message, and the key ring."""

    once: Once
    bell: OutboxBell
    lanes: Lanes
    texts: TextLimits
    queue_lease_seconds: float
    ring: KeyRing


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for which link to be sent, and how far its key goes."""

    app: App
    link_id: UUID
    limits: KeyLimits
    guard: Guard | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to be queued. `due_at` ahead: it waits for the link's life to begin."""

    channel: str
    recipient: str
    locale: str
    template: str | None
    data: dict[str, Any]
    lane: str
    due_at: datetime


async def run_once(post: Post, asker: Asker, work: Work) -> Answered:
    """Run work that queues a message and gives its id; answer the link with this message as `issued`, an `Issued`."""

    async def do(connection: Connection) -> dict[str, Any]:
        message = await work.do(connection)
        return await again(connection, message["id"])

    async def again(connection: Connection, message_id: UUID) -> dict[str, Any]:
        row = await connection.fetchrow(SQL.read_sent_link, asker.app.id, message_id)
        if row is None:
            raise NotFound("the link is past its retention")
        return {"id": message_id, "issued": Issued(**dict(row))}

    answered = await post.once.run(asker.guard, Work(do, again))
    if not answered.replayed:
        post.bell.ring()
    return answered


async def open_link(connection: Connection, asker: Asker) -> Row:
    """Lock the link and return it. Raises `NotFound`, or `LinkOver` when nobody could sign in by it any more."""
    link = await connection.fetchrow(SQL.lock_link_to_send, asker.app.id, asker.link_id)
    if link is None:
        raise NotFound("no such link")
    if link["status"] not in _LIVE:
        raise LinkOver(f"the link is {link['status']}: make a new one")
    return link


def chosen_template(link: Row, template: str | None, passcode_format: str | None) -> str | None:
    """Return the template of a locked link's first message; None: that of its type. Raises `Invalid` for one without what it shows."""
    if link["doors"] == "passcode":
        if template is not None and not is_passcode_template(template):
            words = "shows a link, and this one is a passcode only"
            raise Invalid([FieldProblem("template", "template_needs_link", words)])
        return template or "passcode"
    if is_passcode_template(template) and passcode_format is None:
        words = "shows a passcode and no link, and this link has no passcode"
        raise Invalid([FieldProblem("template", "template_needs_passcode", words)])
    return template


async def stand_alone(connection: Connection, post: Post, asker: Asker, new: Standing) -> None:
    """Let the new passcode of a locked link be found by itself, in an app where they stand alone. Raises `Unavailable`."""
    if asker.app.passcode_standalone:
        await give_passcodes(connection, post.ring, [new])


async def find_recipient(connection: Connection, asker: Asker, link: Row, channel: str) -> str:
    """Return the address that the user of a locked link has today.

    A change of the address revokes the link: it either comes first and is seen, or it waits for our lock and then revokes the message too.
    Raises `Invalid` with everything that is wrong with sending this link by this channel.
    """
    user = await connection.fetchrow(SQL.find_named_user, asker.app.id, link["user_id"], None, None)
    recipient: str | None = None if user is None else user[address_of(channel)]
    allow_http = asker.app.redirects.allow_http
    problems = link_problems(asker.limits, link, allow_http=allow_http)
    problems += channel_problems(asker.limits, channel, recipient)
    if recipient is None:
        problems.append(address_missing(channel))
    if problems or recipient is None:
        raise Invalid(problems)
    return recipient


async def queue_letter(connection: Connection, post: Post, link: Row, letter: Letter, asker: Asker) -> UUID:
    """Charge a letter to the limits of texts and queue it; return the message's id. Raises `RateLimited` or `Unavailable`."""
    # Last of all that can refuse, and within the transaction: neither a replay nor a refused request costs anything.
    await post.texts.take(asker.app, letter.channel, letter.recipient)
    message_id = new_link_id()
    await connection.execute(
        SQL.add_message, message_id, link["id"], link["app_id"], link["user_id"], letter.channel, letter.recipient,
        letter.locale, letter.template, orjson.dumps(letter.data).decode(), letter.lane, letter.due_at,
        post.queue_lease_seconds,
    )  # fmt: skip
    facts = MessageFacts(message_id, link["id"], link["app_id"], link["user_id"], letter.channel, letter.lane)
    await outbox.append(connection, [queued_row(SOURCE, facts, Queueing(0, 0, letter.due_at), asker.headers)])
    return message_id
