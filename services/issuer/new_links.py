"""What a new link is made of: its user, its message, and what its maker is told. Its rows are in link_rows.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from services.issuer.orders import Issued
from services.issuer.policy import Draft, Form
from services.issuer.reach import FoundUser, reach_problem
from shared.errors import Invalid, Refusal
from shared.link_urls import fill_lasting

Slot = tuple[UUID, UUID, str, str]
"""App, user, type and slot: only the newest link of these lives."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What new links of one transaction have in common, down to their rows. Compared by identity.

    `verifies`: which address a consumption verifies. `url_template` has the user in it already, as far as it wants them.
    """

    form: Form
    kid: str
    verifies: str | None
    url_template: str | None


class NewLink(NamedTuple):
    """A link whose user is known. `recipient` and `message_id`: None when nothing is sent. `headers`: of its events, as JSON."""

    link_id: UUID
    user: FoundUser
    recipient: str | None
    message_id: UUID | None
    headers: str
    group: Group

    @property
    def stands_alone(self) -> bool:
        """Whether its passcode is found by itself. One without a link beside it may be short: it is redeemed with its id or its user."""
        form = self.group.form
        return form.request.passcode and form.app.passcode_standalone and form.doors == "both"

    @property
    def slot(self) -> Slot | None:
        form = self.group.form
        return None if form.slot is None else (form.app.id, self.user.id, form.request.type, form.slot)


@dataclass(frozen=True, slots=True)
class Groups:
    """Makes links, and finds the group of each."""

    kid: str
    _known: dict[tuple[Form, str | None, str | None], Group] = field(default_factory=dict)

    def link(self, draft: Draft, user: FoundUser | None, message_id: UUID, headers: str) -> NewLink | Refusal:
        """Return the link of a draft, or what refuses it now that its user is known. `message_id` is used if one is sent."""
        form, channel = draft.form, draft.form.request.channel
        problem = reach_problem(channel, draft.user.kind, user, form.limits)
        if user is None or problem is not None:
            return Invalid([problem] if problem else [])
        recipient = user.recipient(channel)
        return NewLink(
            draft.link_id,
            user,
            recipient,
            None if recipient is None else message_id,
            headers,
            self._of(draft, user),
        )

    def _of(self, draft: Draft, user: FoundUser) -> Group:
        form = draft.form
        template = form.request.url_template
        if template is not None:
            template = fill_lasting(template, user.public_id(form.app.user_id_format), form.state)
        verifies = verified_by(draft, user)
        key = (form, verifies, template)
        return self._known.get(key) or self._known.setdefault(key, Group(form, self.kid, verifies, template))


def verified_by(draft: Draft, user: FoundUser) -> str | None:
    """Return the address that a consumption proves to be the user's: the one that the link went to."""
    request = draft.form.request
    if request.type != "verify_identifier" and not request.verify_address:
        return None
    if request.channel in ("sms", "whatsapp"):
        return "phone"
    if request.channel == "email" or draft.user.kind == "email":
        return "email"
    # Handed out by the product: it proves what the request named, and for a user as a whole the e-mail address first.
    return "phone" if draft.user.kind == "phone" or user.email is None else "email"


def heads(links: Sequence[NewLink]) -> dict[Slot, UUID]:
    """Return the newest link of each slot: the last of a batch wins."""
    return {slot: link.link_id for link in links if (slot := link.slot) is not None}


def by_group(links: Sequence[NewLink]) -> dict[Group, list[NewLink]]:
    """Return the links of each group, in their order."""
    grouped: dict[Group, list[NewLink]] = {}
    for link in links:
        grouped.setdefault(link.group, []).append(link)
    return grouped


def issued_links(links: Sequence[NewLink], created_at: datetime) -> dict[UUID, Issued]:
    """Return what their makers are told of links, as `magiclink.link_status` would say it, by link id."""
    newest, issued = set(heads(links).values()), dict[UUID, Issued]()
    for group, its_links in by_group(links).items():
        alike, has_rivals = _alike(group, created_at), group.form.slot is not None
        status = "issued" if first_moment(group.form, created_at) <= created_at else "scheduled"
        for link in its_links:
            is_superseded = has_rivals and link.link_id not in newest
            issued[link.link_id] = Issued(
                link.link_id,
                link.user.id,
                "superseded" if is_superseded else status,
                link.user.is_new,
                link.message_id,
                *alike,
            )
    return issued


def first_moment(form: Form, created_at: datetime) -> datetime:
    """Return when the life of a link begins."""
    return max(form.request.send_at or created_at, created_at)


def _alike(group: Group, created_at: datetime) -> tuple[Any, ...]:
    """Return the members of `Issued` from `kid` on: those that are the same for a group."""
    form, request = group.form, group.form.request
    expires_at = first_moment(form, created_at) + timedelta(seconds=form.life_seconds)
    return (
        group.kid, form.app.id, request.type, form.redirect_url, form.state, request.metadata, request.channel, request.send_at,
        created_at, expires_at, None, None, form.app.passcode_format if request.passcode else None, 0, group.url_template,
        form.doors, None if request.channel == "none" else "queued",
    )  # fmt: skip
