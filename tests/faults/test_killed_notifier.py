"""G3: `kill -9` of the notifier in the middle of its work loses no message."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from services.dev.plan import Plan
from tests.clusters import House, running_house

MESSAGES = 500
IN_FLIGHT = 16
PLAN = Plan(
    environment={
        "issuer": {"MAGICLINK_SWEEP_SECONDS": "0.5", "MAGICLINK_QUEUE_LEASE_SECONDS": "8"},
        "notifier": {
            "MAGICLINK_DELIVERY_CONCURRENCY": str(IN_FLIGHT),
            "MAGICLINK_SMTP_TIMEOUT_SECONDS": "3",
            "MAGICLINK_TWILIO_TIMEOUT_SECONDS": "3",
            "MAGICLINK_SENDING_LEASE_SECONDS": "5",
            "MAGICLINK_QUEUE_LEASE_SECONDS": "8",
        },
    }
)


@pytest.fixture
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running_house(tmp_path_factory.mktemp("killed-notifier"), PLAN) as house:
        yield house


async def test_every_message_arrives_and_only_those_in_flight_may_come_twice_with_equal_ids(
    house: House,
) -> None:
    await house.make_links(MESSAGES, channel="email", lane="bulk")
    await house.until_caught(100)
    await house.cluster.kill("notifier")
    caught = len(await house.inbox())
    assert caught < MESSAGES, "the notifier was killed too late to show anything"
    await asyncio.sleep(1)
    await house.cluster.start_part("notifier")
    owner = await house.database()
    for _ in range(600):
        left = await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE status <> 'accepted'")
        if left == 0:
            break
        await asyncio.sleep(0.1)
    assert left == 0
    await owner.close()

    found = await house.inbox()
    ids: Counter[str] = Counter()
    by_recipient: dict[str, set[str]] = {}
    for message in found:
        async with house.session.get(f"{house.cluster.inbox_url}/api/messages/{message['id']}") as response:
            headers = dict((await response.json())["headers"])
        ids[headers["Message-ID"]] += 1
        by_recipient.setdefault(message["to"], set()).add(headers["Message-ID"])
    assert len(by_recipient) == MESSAGES
    assert all(len(message_ids) == 1 for message_ids in by_recipient.values())
    assert len(found) - MESSAGES <= IN_FLIGHT
    assert max(ids.values()) <= 2
