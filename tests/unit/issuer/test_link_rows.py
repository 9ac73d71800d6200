from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.issuer.link_rows import SOURCE, event_rows, link_lists, links_alike
from services.issuer.new_links import Groups, NewLink, heads, issued_links
from services.issuer.policy import draft_link
from services.issuer.reach import FoundUser
from shared.bus import Event, encode_event
from shared.links import LinkRequest
from shared.messages import MessageFacts, Queueing, queued_row
from shared.tokens import new_link_id
from tests.unit.issuer.test_policy import app

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
APP = app()


def new_link(email: str = "ann@example.com", **request: Any) -> NewLink:
    """Return a link that was judged by itself."""
    draft = draft_link(APP, LinkRequest(email=email, **request), "bulk")
    user = FoundUser(new_link_id(), email, "+4930123456")
    link = Groups("1").link(draft, user, new_link_id(), '{"x-request-id":"r"}')
    assert isinstance(link, NewLink)
    return link


def test_links_that_were_judged_apart_are_one_row_when_they_say_the_same() -> None:
    links = [new_link(f"u{number}@example.com", metadata={"a": 1}) for number in range(3)]
    assert [*links_alike(links).values()] == [links]


def test_links_that_say_other_things_are_other_rows() -> None:
    requests: list[dict[str, Any]] = [
        {}, {"state": 1}, {"state": True}, {"metadata": {"a": 1}}, {"template_data": {"a": 1}}, {"ttl_seconds": 60},
        {"client": {"ip": "192.0.2.1"}}, {"slot": "a"}, {"channel": "email"}, {"channel": "email", "send_at": AT},
        {"channel": "email", "verify_address": True}, {"url_template": "https://shop.example/?t={token}&u={user_id}"},
        {"url_template": "https://shop.example/?t={token}&u={user_id}"},
    ]  # fmt: skip
    links = [
        new_link(**LinkRequest(email="a@example.com", **r).model_dump(exclude={"email"})) for r in requests
    ]
    assert [*links_alike(links).values()] == [[link] for link in links]


def test_addresses_of_any_characters_stay_apart() -> None:
    emails = [r"a,b{c}\"d'@example.com", "null", 'x"]@example.com', "é\n@example.com"]
    links = [new_link(channel="email")._replace(recipient=email) for email in emails]
    ids, users, newest, messages, recipients = link_lists(links, heads(links))
    assert orjson.loads(recipients) == emails
    assert ids == "{" + ",".join(str(link.link_id) for link in links) + "}"
    assert users == "{" + ",".join(str(link.user.id) for link in links) + "}"
    assert messages == "{" + ",".join(str(link.message_id) for link in links) + "}"
    assert newest == "{}"


def test_of_a_slot_the_last_link_is_the_newest() -> None:
    first = new_link(slot="a")
    links = [first, first._replace(link_id=new_link_id()), new_link(slot="a")]
    assert link_lists(links, heads(links))[2] == "{False,True,True}"


def test_events_say_what_each_link_is_and_tell_the_notifier_of_its_message() -> None:
    send_at = AT + timedelta(days=1)
    links = [new_link(f"u{number}@example.com", channel="email", send_at=send_at) for number in range(2)]
    told, queued = event_rows(links, AT)
    users = "{" + ",".join(str(link.user.id) for link in links) + "}"
    headers = '{"x-request-id":"r"}\n{"x-request-id":"r"}'
    assert told[:4] == ("events", None, "magiclink.events", users)
    assert queued[:4] == ("bulk", send_at, "magiclink.deliveries.bulk", users)
    assert (told[5], queued[5]) == (headers, headers)
    assert [orjson.loads(line) for line in told[4].split("\n")] == [_issued(link) for link in links]
    for line, link in zip(queued[4].split("\n"), links, strict=True):
        facts = MessageFacts(_there(link.message_id), link.link_id, APP.id, link.user.id, "email", "bulk")
        expected = orjson.loads(queued_row(SOURCE, facts, Queueing(0, 0, send_at), {}).value)
        assert {**orjson.loads(line), "time": None} == {**expected, "time": None}


def test_events_are_lists_however_much_else_differs_between_links() -> None:
    links = [new_link(metadata={"n": number}, channel=("none", "email")[number % 2]) for number in range(6)]
    rows = event_rows(links, AT)
    assert [(row[0], row[4].count("\n") + 1) for row in rows] == [("events", 3), ("events", 3), ("bulk", 3)]
    channels = [orjson.loads(row[4].split("\n")[0])["data"]["channel"] for row in rows]
    assert channels == ["none", "email", "email"]


@pytest.mark.parametrize(
    "other", [{"send_at": AT}, {"lane": "interactive"}, {"type": "invite"}, {"channel": "sms"}]
)
def test_messages_of_another_kind_are_told_of_by_themselves(other: dict[str, Any]) -> None:
    links = [
        new_link(channel="email"),
        new_link(**{"channel": "email", **other})._replace(message_id=new_link_id()),
    ]
    together = event_rows(links, AT)
    assert [row[:4] for row in together] == [row[:4] for link in links for row in event_rows([link], AT)]
    said = [orjson.loads(row[4])["data"] for row in together]
    assert [data["channel"] for data in said[::2]] == ["email", other.get("channel", "email")]
    assert [data["type"] for data in said[::2]] == ["login", other.get("type", "login")]


def test_a_link_that_is_not_sent_has_one_event_and_no_message() -> None:
    link = new_link()
    assert link.message_id is None
    assert len(event_rows([link], AT)) == 1
    assert link_lists([link], {})[3:] == ("{}", "[]")


def test_only_the_newest_key_signs() -> None:
    link = new_link()
    group = replace(link.group, kid="2")
    assert len(links_alike([link, link._replace(group=group)])) == 2


def test_a_maker_is_told_of_each_link_what_its_row_will_say() -> None:
    later = AT + timedelta(days=1)
    first = new_link(slot="a", ttl_seconds=60)
    newest = first._replace(link_id=new_link_id(), user=first.user._replace(is_new=True))
    sent = new_link(channel="email", send_at=later, ttl_seconds=60)
    told = issued_links([first, newest, sent], AT)
    one, two, three = (told[link.link_id] for link in (first, newest, sent))
    assert [link.status for link in (one, two, three)] == ["superseded", "issued", "scheduled"]
    assert [link.user_created for link in (one, two, three)] == [False, True, False]
    assert [link.message_status for link in (one, two, three)] == [None, None, "queued"]
    assert [link.expires_at for link in (one, three)] == [
        AT + timedelta(seconds=60),
        later + timedelta(seconds=60),
    ]
    assert (three.message_id, three.created_at, three.user_id) == (sent.message_id, AT, sent.user.id)


def _there(message_id: UUID | None) -> UUID:
    assert message_id is not None
    return message_id


def _issued(link: NewLink) -> Any:
    link_id, data = str(link.link_id), {
        "link_id": str(link.link_id), "app_id": str(APP.id), "user_id": str(link.user.id), "type": "login",
        "channel": "email", "lane": "bulk", "sequence": 1,
    }  # fmt: skip
    return orjson.loads(
        encode_event(Event("magiclink.link.issued.v1", f"{link_id}.1", SOURCE, link_id, data, AT))
    )
