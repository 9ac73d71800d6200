"""A link whose life begins with the first acceptance: set once, cut by the cap, never extended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.notifier.channels import Channel, Outgoing
from services.notifier.deliver import Deliver, LinkMaker, Sending
from services.notifier.intake import LaneIntake
from services.notifier.outcomes import Delivered, Outcome, TryLater, Unknown
from services.notifier.render import BUILT_IN, Templates
from services.notifier.retry import RetryRules
from services.notifier.store import LifeOf, begin_lives, lock_unaccepted_links
from shared.bus import Event, encode_event
from shared.consumer import Record
from shared.database import Pool
from shared.messages import QUEUED
from shared.outbox import OutboxBell
from shared.tokens import new_link_id
from tests.seeds import PUBLIC_URL, RINGS, SeededApp, SeededLink, Seeds, one_row

CAP_SECONDS = 86_400
TEMPLATES = Templates([BUILT_IN])


class Provider(Channel):
    """Answers as told."""

    def __init__(self) -> None:
        self.answer: Outcome = Delivered("stand", "1", "250 taken")
        self.sent: list[Outgoing] = []

    async def send(self, message: Outgoing) -> Outcome:
        self.sent.append(message)
        return self.answer

    async def close(self) -> None:
        return None


class Notifier:
    """A lane over one provider, and the messages it is told to send."""

    def __init__(self, pool: Pool, seeds: Seeds, provider: Provider) -> None:
        self.provider = provider
        self.seeds = seeds
        self.bell = OutboxBell(pool)
        rules = RetryRules(2, 300, 60, 300, jitter=lambda: 1.0)
        links = LinkMaker(RINGS["notifier"], PUBLIC_URL)
        channels: dict[str, Channel] = {"email": provider, "sms": provider}
        self.deliver = Deliver(pool, self.bell, Sending(channels, TEMPLATES, links), rules)
        self.lane = LaneIntake(pool, self.deliver, concurrency=8, lease_seconds=60)

    async def send(self, link: SeededLink, app: SeededApp, channel: str = "email") -> UUID:
        message_id = await self.queue(link, app, channel)
        await self.handle(message_id, 0)
        return message_id

    async def queue(self, link: SeededLink, app: SeededApp, channel: str = "email") -> UUID:
        message_id = new_link_id()
        await self.seeds.connection.execute(
            "INSERT INTO magiclink.messages (id, link_id, app_id, user_id, channel, recipient, locale, lane, status,"
            " lease_until, created_at) VALUES ($1, $2, $3, $4, $5, 'ann@example.com', 'en', 'interactive', 'queued',"
            " now() + interval '1 minute', now())",
            message_id, link.id, app.id, link.user_id, channel,
        )  # fmt: skip
        return message_id

    async def handle(self, message_id: UUID, attempts: int) -> None:
        value = encode_event(
            Event(QUEUED, "e", "/t", "s", {"message_id": str(message_id), "attempts": attempts})
        )
        await self.lane.handle([record(value)])
        await self.lane.drain()


def record(value: bytes) -> Record:
    return ConsumerRecord(
        topic="deliveries", partition=0, offset=3, timestamp=0, timestamp_type=0, key=b"k", value=value, checksum=None,
        serialized_key_size=1, serialized_value_size=1, headers=(),
    )  # fmt: skip


@pytest.fixture
async def notifier(notifier_pool: Pool, seeds: Seeds) -> AsyncIterator[Notifier]:
    made = Notifier(notifier_pool, seeds, Provider())
    yield made
    await made.deliver.close()
    await made.bell.close()


@pytest.fixture
async def app(seeds: Seeds) -> SeededApp:
    return await seeds.app(name="Example Shop", ttl_from="acceptance", acceptance_cap_seconds=CAP_SECONDS)


async def waiting_link(seeds: Seeds, app: SeededApp, **columns: Any) -> SeededLink:
    return await seeds.link(
        app, **{"lives_seconds": CAP_SECONDS, "ttl_seconds": 900, "ttl_from_acceptance": True, **columns}
    )


async def life_of(owner: asyncpg.Connection, link: SeededLink) -> tuple[bool, float]:
    """Return whether the life has begun, and how many seconds of it are left."""
    row = await one_row(
        owner,
        "SELECT accepted_at IS NOT NULL AS begun, extract(epoch FROM expires_at - now())::float8 AS left"
        " FROM magiclink.links WHERE id = $1",
        link.id,
    )
    return row["begun"], row["left"]


async def test_the_life_begins_when_the_provider_takes_the_message(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link = await waiting_link(seeds, app)
    message_id = await notifier.send(link, app)
    begun, left = await life_of(owner, link)
    assert begun
    assert 890 < left <= 900
    assert (await one_row(owner, "SELECT status FROM magiclink.messages WHERE id = $1", message_id))[
        0
    ] == "accepted"
    (sent,) = notifier.provider.sent
    assert "only for 15 minutes" in sent.content.text  # the whole life, not what is left of the cap


async def test_a_message_that_is_not_accepted_begins_no_life_and_is_tried_until_the_cap(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link = await waiting_link(seeds, app)
    # Longer than the ttl: a mail server that defers us for an hour costs the link nothing.
    notifier.provider.answer = TryLater("451 greylisted", 3_600.0)
    message_id = await notifier.send(link, app)
    begun, left = await life_of(owner, link)
    assert not begun
    assert left > CAP_SECONDS - 60
    row = await one_row(owner, "SELECT status, attempts FROM magiclink.messages WHERE id = $1", message_id)
    assert (row["status"], row["attempts"]) == ("queued", 1)
    notifier.provider.answer = Delivered("stand", "1", "250 taken")
    await notifier.handle(message_id, 1)
    begun, left = await life_of(owner, link)
    assert begun
    assert 890 < left <= 900


async def test_an_unknown_outcome_begins_no_life(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link = await waiting_link(seeds, app)
    notifier.provider.answer = Unknown("connection lost")
    await notifier.send(link, app, "sms")
    assert not (await life_of(owner, link))[0]


async def test_a_resend_extends_nothing(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link = await waiting_link(seeds, app)
    await notifier.send(link, app)
    await owner.execute(
        "UPDATE magiclink.links SET accepted_at = accepted_at - interval '10 minutes',"
        " expires_at = expires_at - interval '10 minutes' WHERE id = $1",
        link.id,
    )
    await notifier.send(link, app)
    assert 280 < (await life_of(owner, link))[1] <= 300
    first = await owner.fetchval(
        "SELECT accepted_at < now() - interval '9 minutes' FROM magiclink.links WHERE id = $1", link.id
    )
    assert first, "the first acceptance is the one that counts"
    assert "only for 5 minutes" in notifier.provider.sent[-1].content.text


async def test_the_cap_is_the_end_at_the_latest(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link = await waiting_link(seeds, app, lives_seconds=300)
    await notifier.send(link, app)
    begun, left = await life_of(owner, link)
    assert begun
    assert 280 < left <= 300


async def test_a_message_does_not_promise_more_than_is_left(
    notifier: Notifier, seeds: Seeds, app: SeededApp
) -> None:
    await notifier.send(await seeds.link(app, lives_seconds=110, ttl_seconds=900), app)
    assert "only for 1 minute." in notifier.provider.sent[-1].content.text


async def test_other_links_live_from_their_issue(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, lives_seconds=600, ttl_seconds=900)
    await notifier.send(link, app)
    begun, left = await life_of(owner, link)
    assert not begun
    assert 580 < left <= 600


async def test_a_life_begins_for_the_apps_own_link_only(
    notifier_pool: Pool, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    link, other = await waiting_link(seeds, app), await seeds.app()
    async with notifier_pool.acquire() as connection, connection.transaction():
        await lock_unaccepted_links(connection, [LifeOf(link.id, other.id)])
        await begin_lives(connection, [LifeOf(link.id, other.id)])
    assert not (await life_of(owner, link))[0]


async def test_finishing_waits_for_a_revocation_before_it_holds_the_message(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    # Revocation locks links, then messages. Were the message locked first here, the two could wait for each other for ever.
    link = await waiting_link(seeds, app)
    message_id = await notifier.queue(link, app)
    async with asyncio.timeout(30), owner.transaction():
        await owner.execute("SELECT id FROM magiclink.links WHERE id = $1 FOR UPDATE", link.id)
        sending = asyncio.create_task(notifier.handle(message_id, 0))
        while not notifier.provider.sent:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        # NOWAIT: fails at once when the finishing attempt holds the message.
        locked = await owner.fetchval(
            "SELECT id FROM magiclink.messages WHERE id = $1 FOR UPDATE NOWAIT", message_id
        )
        assert locked is not None
        await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", link.id)
    await sending
    row = await one_row(owner, "SELECT status FROM magiclink.messages WHERE id = $1", message_id)
    assert row["status"] == "accepted"


async def test_a_superseded_link_is_not_sent(
    notifier: Notifier, seeds: Seeds, app: SeededApp, owner: asyncpg.Connection
) -> None:
    older, newer = await seeds.link(app, slot="default"), await seeds.link(app, slot="default")
    await owner.execute(
        "INSERT INTO magiclink.heads (app_id, user_id, type, slot, link_id) VALUES ($1, $2, 'login', 'default', $3)",
        app.id, newer.user_id, newer.id,
    )  # fmt: skip
    message_id = await notifier.send(older, app)
    assert notifier.provider.sent == []
    row = await one_row(owner, "SELECT status, last_error FROM magiclink.messages WHERE id = $1", message_id)
    assert (row["status"], row["last_error"]) == ("revoked", "superseded by a newer link")
    await notifier.send(newer, app)
    assert len(notifier.provider.sent) == 1
