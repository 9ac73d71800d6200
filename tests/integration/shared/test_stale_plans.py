"""Plans that were made while tables were empty are good ones when the tables are large (docs/decisions/0016)."""

import re

import pytest

from services.dev.postgres import Postgres
from services.issuer.housekeeping import SQL as HOUSEKEEPING_SQL
from services.issuer.store import SQL as ISSUER_SQL
from services.notifier.store import SQL as NOTIFIER_SQL
from services.verifier.passcode_store import SQL as PASSCODES_SQL
from services.verifier.renewal import SQL as PAGES_SQL
from services.verifier.sessions import SQL as SESSIONS_SQL
from services.verifier.store import SQL as VERIFIER_SQL
from shared.database import Database, create_pool
from shared.outbox import SQL as OUTBOX_SQL

BLOCKS = {
    "issuer": [ISSUER_SQL, OUTBOX_SQL, HOUSEKEEPING_SQL],
    "notifier": [NOTIFIER_SQL],
    "verifier": [VERIFIER_SQL, PAGES_SQL, PASSCODES_SQL, SESSIONS_SQL],
}
STATEMENTS = {
    f"{role}-{name}": (role, text)
    for role, files in BLOCKS.items()
    for file in files
    for name, text in file.blocks.items()
}
# A row for each channel and language.
WHOLLY_READ = {"issuer-read_delivery_options": ["delivery_options"]}


async def plan_of(server: Postgres, role: str, text: str) -> str:
    """Return the plan for all parameters, as a service's own connection gets it from tables that hold nothing."""
    parameters = max([0, *map(int, re.findall(r"\$(\d+)", text))])
    given = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    pool = await create_pool(Database(server.url(role, "magiclink"), 1, "plans", generic_plans=True))
    try:
        async with pool.acquire() as connection:
            await connection.execute(f"PREPARE stale AS {text}")
            return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE stale{given}"))
    finally:
        await pool.close()


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_no_statement_reads_a_whole_table(database_server: Postgres, statement: str) -> None:
    plan = await plan_of(database_server, *STATEMENTS[statement])
    assert re.findall(r"Seq Scan on (\w+)", plan) == WHOLLY_READ.get(statement, [])


async def test_rows_of_the_outbox_are_deleted_by_their_places(database_server: Postgres) -> None:
    plan = await plan_of(database_server, "issuer", ISSUER_SQL.take_due)
    assert "Tid Scan on outbox" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan
