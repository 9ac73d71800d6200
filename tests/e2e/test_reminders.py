"""The reminder job: events published twice give each link and each message once."""

import asyncio
from collections import Counter
from uuid import uuid4

from examples.reminder_job import Job, publish, reminders
from tests.clusters import House


async def test_twenty_reminders_published_twice_are_twenty_links_and_twenty_messages(house: House) -> None:
    backends = house.cluster.backends
    job = Job(
        bootstrap=backends.kafka_bootstrap,
        app_id=house.app_id,
        week="2026-W47",
        run=f"test-{uuid4()}",
        idempotence=backends.kafka_idempotence,
    )
    recipients = Counter(reminder.recipient for reminder in reminders(job))
    assert len(recipients) == 20
    before = Counter(message["to"] for message in await house.inbox())
    for _ in range(2):
        await publish(job)
    await house.until_caught(sum(before.values()) + 20)
    await asyncio.sleep(2)  # anything too much would come now
    after = Counter(message["to"] for message in await house.inbox()) - before
    assert after == recipients
    channels = Counter(m["channel"] for m in await house.inbox() if m["to"] in recipients)
    assert set(channels) == {"email", "sms", "whatsapp"}
    owner = await house.database()
    events = [reminder.event.get_id() for reminder in reminders(job)]
    links = await owner.fetchval(
        "SELECT count(DISTINCT answer->0->>'link') FROM magiclink.idempotency_keys WHERE key = ANY ($1)",
        events,
    )
    assert links == 20
    await owner.close()
