"""Visits wait in memory within bounds, and no trouble of the database reaches a page."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY

from services.verifier.store import NotedVisit
from services.verifier.visits import MOST_OF_A_LINK, MOST_WAITING, Visit, Visits


class Store:
    """Takes visits, or fails."""

    def __init__(self) -> None:
        self.written: list[NotedVisit] = []
        self.failure: Exception | None = None

    async def write_visits(self, visits: list[NotedVisit]) -> None:
        if self.failure is not None:
            raise self.failure
        self.written += visits


def visits_of(store: Any, now: list[float]) -> Visits:
    return Visits(store, lambda: now[0])


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("magiclink_visits_dropped_total", {"reason": reason}) or 0.0


async def test_a_visit_is_written_once_with_the_time_it_waited() -> None:
    store, now = Store(), [100.0]
    visits = visits_of(store, now)
    visit = Visit(uuid4(), "visited", "browser")
    visits.note(visit)
    now[0] = 100.75
    await visits.flush()
    await visits.flush()
    assert store.written == [NotedVisit(visit.link_id, None, "visited", "browser", None, 0.75)]


async def test_a_storm_on_one_link_leaves_room_for_the_others() -> None:
    store = Store()
    visits = visits_of(store, [0.0])
    stormed, calm = uuid4(), uuid4()
    before = dropped("full")
    for _ in range(MOST_WAITING * 2):
        visits.note(Visit(stormed, "visited", "scanner"))
    visits.note(Visit(calm, "visited", "browser"))
    await visits.flush()
    assert [visit.link_id for visit in store.written] == [stormed] * MOST_OF_A_LINK + [calm]
    assert dropped("full") - before == MOST_WAITING * 2 - MOST_OF_A_LINK


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    store = Store()
    visits = visits_of(store, [0.0])
    before = dropped("full")
    for _ in range(MOST_WAITING + 7):
        visits.note(Visit(uuid4(), "visited", "browser"))
    assert dropped("full") - before == 7
    await visits.flush()
    assert len(store.written) == MOST_WAITING
    visits.note(Visit(uuid4(), "visited", "browser"))
    await visits.flush()
    assert len(store.written) == MOST_WAITING + 1


@pytest.mark.parametrize(
    "failure", [ConnectionRefusedError(), asyncpg.QueryCanceledError(), asyncpg.UndefinedTableError()]
)
async def test_a_failing_database_drops_visits_and_stops_nothing(failure: Exception) -> None:
    store = Store()
    visits = visits_of(store, [0.0])
    store.failure = failure
    before = dropped("database")
    visits.note(Visit(uuid4(), "visited", "browser"))
    await visits.flush()
    assert dropped("database") - before == 1
    store.failure = None
    visits.note(Visit(uuid4(), "visited", "browser"))
    await visits.flush()
    assert len(store.written) == 1


async def test_a_fault_of_ours_is_seen() -> None:
    store = Store()
    visits = visits_of(store, [0.0])
    store.failure = TypeError()
    visits.note(Visit(uuid4(), "visited", "browser"))
    with pytest.raises(TypeError):
        await visits.flush()
