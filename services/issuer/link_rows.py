"""The rows of new links, by groups: what is the same for many is said once, and what differs as lists in texts.

The driver looks at each element of an array twice, through two abstract classes: with a column for everything that a link has, that and
its rows on the way back took a fifth of the time of a batch. A list in one text costs it nothing, and PostgreSQL little.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from services.issuer.new_links import Group, NewLink, Slot, by_group
from services.issuer.policy import Form
from shared.bus import Event
from shared.messages import MessageFacts, Queueing, queued_row
from shared.outbox import OutboxRow, lifecycle_row

SOURCE: Final = "/issuer"
LINK_COLUMNS: Final = 31
EVENT_COLUMNS: Final = 6

# Slots in the rows of a group's events. Nothing else in these holds a `%`: they are ids and words of ours.
_LINK: Final[Any] = "%(link)s"
_USER: Final[Any] = "%(user)s"
_MESSAGE: Final[Any] = "%(message)s"


def links_alike(links: Sequence[NewLink]) -> dict[tuple[Any, ...], list[NewLink]]:
    """Return links by the columns that they have in common, those of requests that were judged apart, too."""
    found: dict[tuple[Any, ...], list[NewLink]] = {}
    for group, its_links in by_group(links).items():
        found.setdefault(_same_columns(group), []).extend(its_links)
    return found


def link_lists(links: Sequence[NewLink], newest: Mapping[Slot, UUID]) -> tuple[str, ...]:
    """Return what differs within links that are alike: ids, users, whether each takes its slot, messages and recipients."""
    heads = [newest[link.slot] == link.link_id for link in links if link.slot is not None]
    sent = [link for link in links if link.message_id is not None]
    return (
        array_text([link.link_id for link in links]), array_text([link.user.id for link in links]), array_text(heads),
        array_text([link.message_id for link in sent]), json_text([link.recipient for link in sent]),
    )  # fmt: skip


def event_rows(links: Sequence[NewLink], created_at: datetime) -> list[tuple[Any, ...]]:
    """Return the outbox rows of links, those of one kind as one: the links' events, and the orders to deliver their messages."""
    kinds: dict[tuple[Any, ...], list[NewLink]] = {}
    for group, its_links in by_group(links).items():
        form, request = group.form, group.form.request
        kind = (form.app.id, form.lane, request.type, request.channel, request.send_at)
        kinds.setdefault(kind, []).extend(its_links)
    return [row for its_links in kinds.values() for row in _rows_of_kind(its_links, created_at)]


def _rows_of_kind(links: Sequence[NewLink], created_at: datetime) -> Iterator[tuple[Any, ...]]:
    texts = [
        {"link": str(link.link_id), "user": str(link.user.id), "message": str(link.message_id)}
        for link in links
    ]
    keys = array_text([text["user"] for text in texts])
    # A line each: JSON has no line breaks within a text.
    headers = "\n".join([link.headers for link in links])
    for row in _slotted_rows(links[0].group.form, created_at):
        value = row.value.decode()
        events = "\n".join([value % text for text in texts])
        yield row.lane, row.due_at, row.topic, keys, events, headers


def _same_columns(group: Group) -> tuple[Any, ...]:
    form, request, app = group.form, group.form.request, group.form.app
    client = request.client.model_dump_json(exclude_none=True) if request.client else None
    return (
        group.kid, app.id, request.type, request.channel, form.lane, form.redirect_url, form.state, json_text(request.metadata),
        client, request.locale or app.locale, request.time_zone, request.code_challenge, form.ttl_seconds,
        request.grant_ttl_seconds or app.grant_ttl_seconds, app.passcode_format if request.passcode else None, request.send_at,
        form.slot, request.binding, group.verifies, form.ttl_from_acceptance, form.life_seconds, form.renewed_from,
        group.url_template, form.doors, request.template, json_text(request.template_data),
    )  # fmt: skip


def _slotted_rows(form: Form, created_at: datetime) -> list[OutboxRow]:
    request = form.request
    data = {
        "link_id": _LINK,
        "app_id": str(form.app.id),
        "user_id": _USER,
        "type": request.type,
        "channel": request.channel,
        "lane": form.lane,
        "sequence": 1,
    }
    event = Event("magiclink.link.issued.v1", f"{_LINK}.1", SOURCE, _LINK, data, created_at)
    rows = [lifecycle_row(event, _USER, {})]
    if request.channel != "none":
        facts = MessageFacts(_MESSAGE, _LINK, form.app.id, _USER, request.channel, form.lane)
        rows.append(queued_row(SOURCE, facts, Queueing(0, 0, request.send_at), {}))
    return rows


def array_text(values: Iterable[object]) -> str:
    """Return a PostgreSQL array of values that need no quotes, such as UUIDs."""
    return "{" + ",".join(map(str, values)) + "}"


def json_text(value: Any) -> str:
    """Return the JSON of a value."""
    return orjson.dumps(value).decode()
