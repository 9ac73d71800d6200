"""Visits of links: sampled, of the own app only, dated when they were, and written beside whatever is answered."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg

from services.verifier.store import VerifierStore
from services.verifier.visits import Visit, Visits
from shared.database import Pool
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import SeededApp, SeededLink, Seeds


async def visits_of(owner: asyncpg.Connection, link: SeededLink) -> list[asyncpg.Record]:
    found = await owner.fetch("SELECT * FROM magiclink.link_visits WHERE link_id = $1 ORDER BY id", link.id)
    return list(found)


async def test_a_link_keeps_its_first_twenty_visits(
    verifier_pool: Pool, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    busy, calm = await seeds.link(app), await seeds.link(app)
    visits = Visits(VerifierStore(verifier_pool))
    for round_number in range(3):
        for number in range(9):
            visits.note(Visit(busy.id, "visited", "scanner", f"{round_number}.{number}"))
        visits.note(Visit(calm.id, "visited", "browser"))
        await visits.flush()
    kept = [row["detail"] for row in await visits_of(owner, busy)]
    assert kept == [f"{round_number}.{number}" for round_number in range(3) for number in range(9)][:20]
    assert len(await visits_of(owner, calm)) == 3


async def test_a_visit_is_dated_when_it_was_and_carries_the_links_app(
    verifier_pool: Pool, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    now = [100.0]
    visits = Visits(VerifierStore(verifier_pool), lambda: now[0])
    visits.note(Visit(link.id, "visited", "prefetch"))
    now[0] = 160.0
    await visits.flush()
    (row,) = await visits_of(owner, link)
    assert (row["app_id"], row["visitor"]) == (app.id, "prefetch")
    age = await owner.fetchval("SELECT now() - $1::timestamptz", row["at"])
    assert timedelta(seconds=60) <= age < timedelta(seconds=65)


async def test_an_unknown_link_and_a_foreign_one_have_no_visits(
    verifier_pool: Pool, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link, stranger, unknown = await seeds.link(app), await seeds.app(), uuid4()
    visits = Visits(VerifierStore(verifier_pool))
    visits.note(Visit(link.id, "refused", "api", "link_consumed", stranger.id))
    visits.note(Visit(unknown, "visited", "browser"))
    await visits.flush()
    assert await visits_of(owner, link) == []
    assert await owner.fetchval("SELECT count(*) FROM magiclink.link_visits WHERE link_id = $1", unknown) == 0


async def test_refusals_of_a_known_link_stand_in_its_visits(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link, stranger = await seeds.link(app), await seeds.app()
    assert (await verifier.verify(app, link.token)).status == 200
    await verifier.verify(app, link.token)
    await verifier.press(link.token)
    await verifier.verify(stranger, link.token)  # not told that the link is there, and telling nothing of it
    for _ in range(40):
        rows = await visits_of(owner, link)
        if len(rows) >= 2:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)
    told = [(row["event"], row["visitor"], row["detail"]) for row in await visits_of(owner, link)]
    assert told == [("refused", "api", "link_consumed"), ("refused", "browser", "link_consumed")]
