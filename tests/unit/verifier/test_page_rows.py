"""Rows for pages: read together, each page gets its own."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.verifier.page_rows import PageRows


class Pool:
    """Answers with the rows that there are, in any order, and remembers what it was asked."""

    def __init__(self, *there: UUID) -> None:
        self.there = there
        self.asked: list[tuple[list[UUID], UUID, UUID]] = []
        self.failure: Exception | None = None

    async def fetch(self, _query: str, ids: list[UUID], lowest: UUID, highest: UUID) -> list[dict[str, Any]]:
        self.asked.append((ids, lowest, highest))
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return [{"id": link_id} for link_id in reversed(ids) if link_id in self.there]


def rows_of(pool: Any) -> PageRows:
    return PageRows(pool)


async def test_pages_that_are_asked_for_together_are_read_together_and_each_gets_its_own() -> None:
    links = sorted((uuid4() for _ in range(40)), key=lambda link: link.int)
    pool = Pool(*links[::2])
    found = await asyncio.gather(*map(rows_of(pool).find, links))
    assert [row and row["id"] for row in found] == [
        link if at % 2 == 0 else None for at, link in enumerate(links)
    ]
    assert len(pool.asked) < 10
    for ids, lowest, highest in pool.asked:
        assert (lowest, highest) == (ids[0], ids[-1])


async def test_a_storm_on_one_links_page_reads_the_link_once_a_batch() -> None:
    link, pool = uuid4(), Pool()
    pool.there = (link,)
    found = await asyncio.gather(*map(rows_of(pool).find, [link] * 100))
    assert [row and row["id"] for row in found] == [link] * 100
    assert all(ids == [link] for ids, _, _ in pool.asked)


async def test_what_ails_the_database_reaches_every_page_that_waited_for_it() -> None:
    pool = Pool()
    pool.failure = ConnectionRefusedError()
    found = await asyncio.gather(*map(rows_of(pool).find, [uuid4(), uuid4()]), return_exceptions=True)
    assert [type(error) for error in found] == [ConnectionRefusedError] * 2


async def test_a_verifier_that_stops_waits_for_the_pages_it_is_reading() -> None:
    link = uuid4()
    rows = rows_of(Pool(link))
    asked = asyncio.create_task(rows.find(link))
    await asyncio.sleep(0)
    await rows.drain()
    assert (await asyncio.wait_for(asked, 1)) is not None


@pytest.mark.parametrize("links", [1, 300])
async def test_the_bounds_hold_every_link_that_is_asked_for(links: int) -> None:
    pool = Pool()
    await asyncio.gather(*map(rows_of(pool).find, [uuid4() for _ in range(links)]))
    assert all(lowest <= link <= highest for ids, lowest, highest in pool.asked for link in ids)
    assert sum(len(ids) for ids, _, _ in pool.asked) == links
