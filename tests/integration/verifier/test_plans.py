"""Statements read the links that they are asked about, and none of those that lie between.

A batch is bounded by its lowest and highest id, so that PostgreSQL leaves the partitions of other weeks alone. Under a plan for all
parameters it may take that for the cheaper way to the links themselves, and read every one between the two (bench: 90,000 for 64).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from bench.rows.history import History, fill
from services.dev.postgres import Postgres
from services.issuer.standing import SQL as PASSCODES_SQL
from services.issuer.tenancy import SQL as TENANCY_SQL
from services.notifier.store import SQL as NOTIFIER_SQL
from services.verifier.renewal import SQL as PAGES_SQL
from services.verifier.store import SQL as VERIFIER_SQL
from shared.sql.migrate import migrate
from shared.tokens import new_link_id

ATTEMPTS = 32
LINKS = 20_000
DATABASE = "plans"
CONSUMABLE = "UPDATE magiclink.links SET consumed_at = NULL, expires_at = now() + interval '1 hour'"
EXCHANGEABLE = (
    "UPDATE magiclink.links SET consumed_at = now(), consumed_via = 'browser', expires_at = now() + interval '1 hour'"
    " WHERE id = ANY ($1::uuid[])"
)
UNACCEPTED = "UPDATE magiclink.links SET ttl_from_acceptance = true WHERE id = ANY ($1::uuid[])"


@pytest.fixture(scope="module")
async def app_id() -> UUID:
    return new_link_id()


@pytest.fixture(scope="module")
async def weeks(database_server: Postgres, app_id: UUID) -> AsyncIterator[str]:
    """A database of its own with the links of twelve weeks, all of them live. Gives its URL."""
    admin = await asyncpg.connect(database_server.url())
    await admin.execute(f"CREATE DATABASE {DATABASE} OWNER magiclink")
    url = database_server.url("magiclink", DATABASE)
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO magiclink.apps (id, name) VALUES ($1, 'Example')", app_id)
    await fill(connection, app_id, History(links=LINKS, users=2_000))
    await connection.execute(CONSUMABLE)
    await connection.execute("VACUUM (FULL, ANALYZE) magiclink.links")
    await connection.close()
    yield url
    await admin.execute(f"DROP DATABASE {DATABASE}")
    await admin.close()


@pytest.fixture
async def connection(weeks: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        weeks, server_settings={"plan_cache_mode": "force_generic_plan", "jit": "off"}
    )
    yield connection
    await connection.close()


async def spread_ids(connection: asyncpg.Connection) -> list[UUID]:
    rows = await connection.fetch(
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM magiclink.links) AS l WHERE n % $1 = 0",
        LINKS // ATTEMPTS,
    )
    return [row["id"] for row in rows]


def consume(ids: list[UUID], app_id: UUID) -> list[Any]:
    count, nothing = len(ids), [None] * len(ids)
    who = [ids, ids, [app_id] * count, ["api"] * count, ["r"] * count, [False] * count]
    return [*who, nothing, nothing, nothing, min(ids), max(ids)]


def exchange(ids: list[UUID], app_id: UUID) -> list[Any]:
    nothing = [None] * len(ids)
    return [ids, ids, [app_id] * len(ids), ["r"] * len(ids), nothing, nothing, nothing, min(ids), max(ids)]


def visits(ids: list[UUID], app_id: UUID) -> list[Any]:
    count = len(ids)
    what = [["visited"] * count, ["browser"] * count, [None] * count, [0] * count]
    return [ids, [app_id] * count, *what, min(ids), max(ids)]


def pairs(ids: list[UUID], app_id: UUID) -> list[Any]:
    return [ids, [app_id] * len(ids), min(ids), max(ids)]


# By name: what is done to the links before, the statement, its parameters.
STATEMENTS: dict[str, tuple[str | None, str, Any]] = {
    "look": (None, VERIFIER_SQL.look, lambda ids, app: [ids, ids, [app] * len(ids), min(ids), max(ids), 60]),
    "show": (None, PAGES_SQL.show, lambda ids, _app: [ids, min(ids), max(ids)]),
    "consume": (None, VERIFIER_SQL.consume, consume),
    "exchange": (EXCHANGEABLE, VERIFIER_SQL.exchange, exchange),
    "write_visits": (None, VERIFIER_SQL.write_visits, visits),
    "lock_unaccepted_links": (UNACCEPTED, NOTIFIER_SQL.lock_unaccepted_links, pairs),
    "begin_lives": (UNACCEPTED, NOTIFIER_SQL.begin_lives, pairs),
    "revoke_links": (None, TENANCY_SQL.revoke_links, lambda ids, app: [app, ids, min(ids), max(ids)]),
    "raise_epochs": (
        None,
        PASSCODES_SQL.raise_epochs,
        lambda ids, app: [ids, [app] * len(ids), [1] * len(ids), min(ids), max(ids)],
    ),
}


def literal(value: Any) -> str:
    if isinstance(value, list):
        return "'{" + ",".join("NULL" if one is None else str(one) for one in value) + "}'"
    return f"'{value}'"


async def explain(connection: asyncpg.Connection, statement: str, arguments: list[Any]) -> dict[str, Any]:
    """Run a prepared statement, roll it back, and return its plan as it ran."""
    await connection.execute(f"PREPARE asked AS {statement}")
    call = f"EXECUTE asked ({', '.join(map(literal, arguments))})"
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {call}")
    plan: dict[str, Any] = orjson.loads(text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def links_read(plan: dict[str, Any]) -> int:
    """How many rows the scans of `links` looked at, those that they threw away included."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if "Scan" in node["Node Type"] and str(node.get("Relation Name", "")).startswith("links_2")
    )


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_batch_spread_over_the_weeks_reads_its_own_links_only(
    connection: asyncpg.Connection, app_id: UUID, name: str
) -> None:
    before, statement, arguments = STATEMENTS[name]
    ids = await spread_ids(connection)
    transaction = connection.transaction()
    await transaction.start()
    if before:
        await connection.execute(before, ids)
    plan = await explain(connection, statement, arguments(ids, app_id))
    await transaction.rollback()
    # Once to find each link and once to write it; loops of fractions of rows are rounded up to whole ones.
    assert len(ids) == ATTEMPTS
    assert ATTEMPTS <= links_read(plan) <= 4 * ATTEMPTS


@pytest.mark.parametrize("name", ["look", "show", "consume", "exchange", "write_visits"])
async def test_partitions_of_other_weeks_are_dropped_before_the_statement_runs(
    connection: asyncpg.Connection, app_id: UUID, name: str
) -> None:
    before, statement, arguments = STATEMENTS[name]
    ids = (await spread_ids(connection))[-1:]
    transaction = connection.transaction()
    await transaction.start()
    if before:
        await connection.execute(before, ids)
    plan = await explain(connection, statement, arguments(ids, app_id))
    await transaction.rollback()
    removed = [node["Subplans Removed"] for node in nodes(plan) if "Subplans Removed" in node]
    assert removed
    assert min(removed) >= 20
