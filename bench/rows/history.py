"""Fills a database with the links of weeks past, by SQL alone: what a cluster holds that has run for long."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).with_suffix(".sql"))

_CHUNK_ROWS = 250_000


@dataclass(frozen=True, slots=True)
class History:
    """So many links of so many users, made evenly over the weeks before now."""

    links: int
    users: int
    weeks: int = 12
    messages: bool = False


async def fill(connection: asyncpg.Connection, app_id: UUID, history: History) -> None:
    """Load users, links and, if asked, their messages; then VACUUM and ANALYZE. Needs the schema's owner.

    The index by user is left out meanwhile and built at the end: that takes a third of the time.
    """
    until = datetime.now(UTC)
    since = until - timedelta(weeks=history.weeks)
    for (statement,) in await connection.fetch(SQL.make_week, since):
        await connection.execute(statement)
    for first, last in _chunks(history.users):
        await connection.execute(SQL.load_users, app_id, first, last)
    await connection.execute("DROP INDEX magiclink.links_user")
    for first, last in _chunks(history.links):
        await connection.execute(
            SQL.load_links, app_id, first, last, since, until, history.links, history.users
        )
    await connection.execute("CREATE INDEX links_user ON magiclink.links (app_id, user_id, id)")
    if history.messages:
        await _fill_messages(connection, app_id, since, until)
    await connection.execute("VACUUM (ANALYZE) magiclink.links, magiclink.users, magiclink.messages")


async def _fill_messages(
    connection: asyncpg.Connection, app_id: UUID, since: datetime, until: datetime
) -> None:
    day = since
    while day <= until:
        await connection.execute(SQL.load_messages, app_id, day, day + timedelta(days=1))
        day += timedelta(days=1)


def _chunks(count: int) -> list[tuple[int, int]]:
    return [(first, min(first + _CHUNK_ROWS - 1, count)) for first in range(1, count + 1, _CHUNK_ROWS)]
