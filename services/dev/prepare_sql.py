"""`python -m services.dev.prepare_sql`: prepare every named SQL block against the migrated schema.

A block that names a wrong column, or lacks a right of its service's role, is found here and not at its first call.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from services.dev.backends import migrate
from services.dev.plan import SERVICES
from services.dev.postgres import PORT, SUPERUSER, Postgres
from services.dev.problems import DevProblem
from services.dev.roles import DATABASE, make_database, make_logins, owner_url
from shared import sql_blocks

ROOT = Path(__file__).parents[2]
_PLANNED = re.compile(r"(\s*--[^\n]*\n)*\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


def sql_files() -> Iterator[tuple[str, Path]]:
    """Yield each file of SQL blocks with the role that runs it: its service's, or the superuser for shared ones."""
    for folder in ("services", "shared"):
        for path in sorted((ROOT / folder).rglob("*.sql")):
            if path.parent.name != "versions":  # migrations are no prepared blocks
                service = path.relative_to(ROOT).parts[1]
                yield (service if service in SERVICES else SUPERUSER), path


async def failing_blocks(postgres: Postgres) -> list[str]:
    """Prepare every block as its service; return a line for each that fails. The schema must be there."""
    failures = []
    count = 0
    for user, path in sql_files():
        connection = await asyncpg.connect(postgres.url(user, DATABASE), port=PORT)
        try:
            for name, text in sql_blocks.load(path).items():
                count += 1
                failures += await _prepare(connection, f"{path.relative_to(ROOT)}: {name}", text)
        finally:
            await connection.close()
    print(f"{count} SQL blocks prepared, {len(failures)} failed")
    return failures


async def _prepare(connection: "asyncpg.Connection[asyncpg.Record]", where: str, text: str) -> list[str]:
    try:
        await connection.prepare(text)
        # Preparing checks names; only planning asks for rights, and explaining plans without running.
        if (
            text.split("\n", 1)[-1]
            .lstrip()
            .upper()
            .startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))
        ):
            await _explain(connection, text)
    except asyncpg.PostgresError as error:
        return [f"{where}: {error}"]
    return []


async def _explain(connection: "asyncpg.Connection[asyncpg.Record]", text: str) -> None:
    parameters = (await connection.prepare(text)).get_parameters()
    arguments = f"({', '.join('NULL' for _ in parameters)})" if parameters else ""
    await connection.execute(f"PREPARE checked AS {text}")
    try:
        await connection.execute(f"EXPLAIN EXECUTE checked{arguments}")
    finally:
        await connection.execute("DEALLOCATE checked")


async def main() -> int:
    with tempfile.TemporaryDirectory(prefix="magiclink-sql-") as folder:
        postgres = Postgres(Path(folder) / "postgres", Path(folder) / "postgres.log")
        await postgres.start()
        try:
            await make_database(postgres)
            await migrate(owner_url(postgres))
            await make_logins(postgres)
            failures = await failing_blocks(postgres)
        finally:
            await postgres.stop()
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except DevProblem as problem:
        sys.exit(str(problem))
