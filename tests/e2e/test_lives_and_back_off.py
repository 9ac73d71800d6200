"""When a link's life begins, and how long a message is tried: growing pauses, an end for what is final, an end with the life."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

from tests.clusters import House
from tests.e2e.topics import topic_records

BASE_SECONDS = 2.0  # MAGICLINK_RETRY_BASE_SECONDS, its default


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def attempts_of(told: dict[str, Any]) -> list[tuple[datetime, datetime, str]]:
    """Return begin, end and outcome of each attempt at a link's only message."""
    begun = [moment(entry["at"]) for entry in told["timeline"] if entry["event"] == "sending"]
    ended = [
        (moment(entry["at"]), entry["event"])
        for entry in told["timeline"]
        if "attempt" in entry and entry["event"] != "sending"
    ]
    return [(begin, end, outcome) for begin, (end, outcome) in zip(begun, ended, strict=True)]


async def until_told(house: House, link: dict[str, Any], event: str) -> None:
    """Wait until product services were told of what became of a link's message."""
    for _ in range(50):
        told = [text for topic, text in await topic_records(house) if topic == "magiclink.events"]
        if any(event in text and link["id"] in text for text in told):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"nobody was told {event}")


async def test_a_life_counts_from_the_acceptance_of_a_late_mail(house: House) -> None:
    app = await house.new_app(ttl_from="acceptance", ttl_seconds=60, acceptance_cap_seconds=600)
    email = f"late-{uuid4().hex}@example.com"
    await app.fail({"kind": "delay", "seconds": 4, "to": email})
    link = await app.ask(email=email, channel="email")
    created = moment(link["created_at"])
    assert moment(link["expires_at"]) - created == timedelta(seconds=600)
    told = await app.until_message(link, "accepted")
    accepted = moment(told["messages"][0]["accepted_at"])
    assert accepted - created >= timedelta(seconds=4)
    assert moment(told["link"]["expires_at"]) - accepted == timedelta(seconds=60)


async def test_the_cap_ends_a_life_that_began_too_late(house: House) -> None:
    app = await house.new_app(ttl_from="acceptance", ttl_seconds=60, acceptance_cap_seconds=62)
    email = f"capped-{uuid4().hex}@example.com"
    await app.fail({"kind": "delay", "seconds": 4, "to": email})
    link = await app.ask(email=email, channel="email")
    told = await app.until_message(link, "accepted")
    assert moment(told["link"]["expires_at"]) - moment(link["created_at"]) == timedelta(seconds=62)


async def test_what_the_mail_server_puts_off_is_tried_again_after_growing_pauses_until_it_is_taken(
    house: House,
) -> None:
    email = f"greylisted-{uuid4().hex}@example.com"
    await house.fail({"kind": "smtp_reply", "code": 451, "enhanced_code": "4.7.1", "to": email, "times": 3})
    link = await house.ask(email=email, channel="email")
    told = await house.until_message(link, "accepted", "failed", "expired", seconds=40)
    attempts = attempts_of(told)
    assert [outcome for _, _, outcome in attempts] == ["try_later"] * 3 + ["accepted"]
    pauses = [(later[0] - earlier[1]).total_seconds() for earlier, later in pairwise(attempts)]
    for number, pause in enumerate(pauses):
        full = BASE_SECONDS * 2**number
        # Half of it is random; what lies past the full pause is the machine's own slowness.
        assert full / 2 <= pause <= full + 5, pauses
    assert len(await house.inbox(to=email)) == 1
    words = [entry["detail"] for entry in told["timeline"] if entry["event"] == "try_later"]
    assert all("451" in said and "4.7.1" in said for said in words), words


async def test_what_the_mail_server_refuses_for_good_is_not_tried_again(house: House) -> None:
    email = f"reject+{uuid4().hex}@simulator.example"
    link = await house.ask(email=email, channel="email")
    await house.until_message(link, "failed")
    await asyncio.sleep(5)  # a second attempt would come within four
    told = await house.until_message(link, "failed")
    assert [outcome for _, _, outcome in attempts_of(told)] == ["failed"]
    assert told["messages"][0]["last_error"] == "550 at RCPT TO: 5.1.1 no such user here"
    await until_told(house, link, "magiclink.message.failed.v1")
    assert (await house.verify(link["token"]))[0] == 200, "the link itself is not the message"


async def test_what_is_put_off_until_the_link_is_over_expires_and_is_told(house: House) -> None:
    email = f"tempfail+{uuid4().hex}@simulator.example"
    link = await house.ask(email=email, channel="email", ttl_seconds=30)
    told = await house.until_message(link, "expired", "accepted", "failed", seconds=45)
    attempts = attempts_of(told)
    assert told["messages"][0]["status"] == "expired"
    assert len(attempts) >= 3
    assert all(begin < moment(link["expires_at"]) for begin, _, _ in attempts)
    assert "life ends" in told["messages"][0]["last_error"]
    await until_told(house, link, "magiclink.message.expired.v1")
    assert await house.inbox(to=email) == []
