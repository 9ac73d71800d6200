"""What a new link is made of: its row, its first message's row, its events, and what its maker is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from services.issuer.orders import Issued
from services.issuer.policy import Draft
from services.issuer.reach import FoundUser
from shared.bus import Event
from shared.database import Row
from shared.link_urls import fill_lasting
from shared.messages import MessageFacts, Queueing, queued_row
from shared.outbox import OutboxRow, lifecycle_row

SOURCE: Final = "/issuer"

LINK_COLUMNS: Final = 31
_NO_MESSAGE: Final = (None, None, None)

Slot = tuple[UUID, UUID, str, str]
"""App, user, type and slot: only the newest link of these lives."""


@dataclass(frozen=True, slots=True)
class NewLink:
    """A draft whose user is known: what the rows are made of. `verifies`: which address its consumption verifies.

    `url_template` has the user in it already, as far as it wants them.
    """

    draft: Draft
    kid: str
    user_id: UUID
    recipient: str | None
    headers: dict[str, str]
    verifies: str | None = None
    url_template: str | None = None
    is_new_user: bool = False

    @classmethod
    def of(cls, draft: Draft, kid: str, user: FoundUser, headers: dict[str, str]) -> "NewLink":
        recipient = user.recipient(draft.request.channel)
        template = draft.request.url_template
        if template is not None:
            template = fill_lasting(template, user.public_id(draft.app.user_id_format), draft.state)
        return cls(draft, kid, user.id, recipient, headers, verified_by(draft, user), template, user.is_new)

    @property
    def stands_alone(self) -> bool:
        """Whether its passcode is found by itself. One without a link beside it may be short: it is redeemed with its id or its user."""
        return (
            self.draft.request.passcode and self.draft.app.passcode_standalone and self.draft.doors == "both"
        )

    @property
    def slot(self) -> Slot | None:
        draft = self.draft
        return None if draft.slot is None else (draft.app.id, self.user_id, draft.request.type, draft.slot)


def verified_by(draft: Draft, user: FoundUser) -> str | None:
    """Return the address that a consumption proves to be the user's: the one that the link went to."""
    if draft.request.type != "verify_identifier" and not draft.request.verify_address:
        return None
    if draft.request.channel in ("sms", "whatsapp"):
        return "phone"
    if draft.request.channel == "email" or draft.user.kind == "email":
        return "email"
    # Handed out by the product: it proves what the request named, and for a user as a whole the e-mail address first.
    return "phone" if draft.user.kind == "phone" or user.email is None else "email"


def heads(links: Sequence[NewLink]) -> dict[Slot, UUID]:
    """Return the newest link of each slot: the last of a batch wins."""
    return {slot: link.draft.link_id for link in links if (slot := link.slot) is not None}


def link_row(link: NewLink, messages: Mapping[UUID, UUID], newest: Mapping[Slot, UUID]) -> tuple[Any, ...]:
    """Return the columns of `create_links`: those of the link, whether it takes its slot, and those of its message alone."""
    draft, request, app = link.draft, link.draft.request, link.draft.app
    client = request.client.model_dump_json(exclude_none=True) if request.client else None
    message_id, slot = messages.get(draft.link_id), link.slot
    return (
        draft.link_id, link.kid, app.id, link.user_id, request.type, request.channel, draft.lane, draft.redirect_url,
        draft.state, _json(request.metadata), client, request.locale or app.locale, request.time_zone,
        request.code_challenge, draft.ttl_seconds, request.grant_ttl_seconds or app.grant_ttl_seconds,
        app.passcode_format if request.passcode else None, request.send_at, draft.slot, request.binding, link.verifies,
        draft.ttl_from_acceptance, draft.life_seconds, draft.renewed_from, link.url_template, draft.doors,
        slot is not None and newest[slot] == draft.link_id, message_id,
        *(_NO_MESSAGE if message_id is None else (link.recipient, request.template, _json(request.template_data))),
    )  # fmt: skip


def outbox_rows(
    links: Sequence[NewLink], messages: Mapping[UUID, UUID], times: Mapping[UUID, Row]
) -> list[OutboxRow]:
    """Return the events of new links and the orders to deliver their messages."""
    rows = []
    for link in links:
        draft = link.draft
        rows.append(lifecycle_row(_issued_event(link, times[draft.link_id]), link.user_id, link.headers))
        message_id = messages.get(draft.link_id)
        if message_id is not None:
            request = draft.request
            facts = MessageFacts(
                message_id, draft.link_id, draft.app.id, link.user_id, request.channel, draft.lane
            )
            rows.append(queued_row(SOURCE, facts, Queueing(0, 0, request.send_at), link.headers))
    return rows


def _issued_event(link: NewLink, times: Row) -> Event:
    draft = link.draft
    link_id = str(draft.link_id)
    data = {
        "link_id": link_id,
        "app_id": str(draft.app.id),
        "user_id": str(link.user_id),
        "type": draft.request.type,
        "channel": draft.request.channel,
        "lane": draft.lane,
        "sequence": 1,
    }
    return Event("magiclink.link.issued.v1", f"{link_id}.1", SOURCE, link_id, data, times["created_at"])


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode() if value else "{}"


@dataclass(frozen=True, slots=True)
class Made:
    """What came of writing links down, by link id; `newest`: the link that has each slot now."""

    times: Mapping[UUID, Row]
    messages: Mapping[UUID, UUID]
    newest: Mapping[Slot, UUID]


def issued_link(link: NewLink, made: Made) -> Issued:
    """Return what its maker is told of a link, as `magiclink.link_status` would say it."""
    draft, request = link.draft, link.draft.request
    times, message_id = made.times[draft.link_id], made.messages.get(draft.link_id)
    status = "issued" if times["not_before"] <= times["created_at"] else "scheduled"
    if link.slot is not None and made.newest[link.slot] != draft.link_id:
        status = "superseded"
    return Issued(
        id=draft.link_id,
        kid=link.kid,
        app_id=draft.app.id,
        user_id=link.user_id,
        type=request.type,
        status=status,
        redirect_url=draft.redirect_url,
        state=draft.state,
        metadata=request.metadata,
        channel=request.channel,
        send_at=request.send_at,
        created_at=times["created_at"],
        expires_at=times["expires_at"],
        consumed_at=None,
        revoked_at=None,
        passcode_format=draft.app.passcode_format if request.passcode else None,
        passcode_epoch=0,
        url_template=link.url_template,
        doors=draft.doors,
        user_created=link.is_new_user,
        message_id=message_id,
        message_status=None if message_id is None else "queued",
    )
