"""A flood of bulk messages does not delay one interactive e-mail (DESIGN §5): lanes share no queue, consumer or connection.

Ten thousand on the embedded broker; a hundred thousand on Apache Kafka, where there is one.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest

from services.dev.plan import Plan
from tests.clusters import REDIRECT, House, running_house

BATCH = 10_000
FLOOD = 100_000 if "MAGICLINK_DEV_KAFKA_JARS" in os.environ else BATCH
PROBES = 15
PAUSE_SECONDS = 0.2  # so that the probes meet the flood in many of its moments
WORST_DELAY_SECONDS = 1.0


@pytest.fixture
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    plan = Plan(environment={"issuer": {"MAGICLINK_REQUEST_TIMEOUT_SECONDS": "60"}})
    async with running_house(tmp_path_factory.mktemp("bulk-flood"), plan) as house:
        yield house


async def test_a_flood_of_bulk_messages_in_flight_delays_an_interactive_mail_by_less_than_a_second(
    house: House,
) -> None:
    idle = sorted([await seconds_to_inbox(house) for _ in range(PROBES)])
    owner = await house.database()
    for _ in range(FLOOD // BATCH):
        await flood(house)
    waiting_before = await bulk_waiting(owner)
    assert waiting_before > FLOOD / 3, "the flood drained before anything could be measured"

    flooded = sorted([await seconds_to_inbox(house) for _ in range(PROBES)])

    waiting_after = await bulk_waiting(owner)
    await owner.close()
    delivered = waiting_before - waiting_after
    print(f"idle {idle}, flooded {flooded}, {delivered} bulk messages delivered meanwhile")  # noqa: T201 - for -s
    assert waiting_after > 0, "the flood ended before the last probe"
    assert delivered > 0, "the bulk lane stood still, so nothing competed"
    assert flooded[-1] - idle[len(idle) // 2] < WORST_DELAY_SECONDS


async def seconds_to_inbox(house: House) -> float:
    """Ask for one login mail; return how long it took until the inbox had it."""
    address = f"login-{uuid4().hex}@example.com"
    await asyncio.sleep(PAUSE_SECONDS)
    started = monotonic()
    body = {"email": address, "channel": "email", "redirect_url": REDIRECT}
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links", body)
    assert status == 201, answer
    while not await house.inbox(to=address):
        assert monotonic() - started < 30, "the mail never came"
        await asyncio.sleep(0.02)
    return monotonic() - started


async def flood(house: House) -> None:
    """Ask for ten thousand reminders in one request."""
    run = uuid4().hex[:8]
    body = {
        "links": [{"email": f"{number}-{run}@example.com", "channel": "email"} for number in range(BATCH)]
    }
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links/batch", body)
    assert status == 200, answer
    assert all("link" in result for result in answer["results"])


async def bulk_waiting(owner: asyncpg.Connection) -> int:
    waiting: int = await owner.fetchval(
        "SELECT count(*) FROM magiclink.messages WHERE lane = 'bulk' AND status IN ('queued', 'sending')"
    )
    return waiting
