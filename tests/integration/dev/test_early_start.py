"""A service's modules are read while the backends start; its environment comes when it is known."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from services.dev.backends import has_newest_schema
from services.dev.children import Child, Command
from services.dev.plan import Plan
from services.dev.postgres import Postgres
from shared.sql.migrate import newest_revision

# Both write what they know of the setting and end; the early one waits for its environment first.
PROGRAM = (
    "import os, pathlib; pathlib.Path({path!r}).write_text({how!r} + os.environ.get('MAGICLINK_TOLD', ''))"
)
WAIT = "import json, os, sys; os.environ.update(json.loads(sys.stdin.readline())); "


def early_child(folder: Path) -> tuple[Child, list[str], Path]:
    """Return a child, what it begins with, and the file that it writes."""
    path = folder / "told"
    plain = [sys.executable, "-c", PROGRAM.format(path=str(path), how="plain ")]
    early = [sys.executable, "-c", WAIT + PROGRAM.format(path=str(path), how="early ")]
    return Child("early", Command(plain, folder / "log", dict(os.environ))), early, path


async def test_a_prepared_program_waits_for_its_environment_and_gets_the_one_of_its_start(
    tmp_path: Path,
) -> None:
    child, early, path = early_child(tmp_path)
    await child.prepare(early)
    assert child.running
    assert not path.exists()
    child.command = Command(child.command.argv, tmp_path / "log", {**os.environ, "MAGICLINK_TOLD": "this"})
    await child.start()
    async with asyncio.timeout(30):
        assert await child.wait() == 0
    assert path.read_text() == "early this"


async def test_a_prepared_program_that_died_is_run_plainly_by_the_start(tmp_path: Path) -> None:
    child, early, path = early_child(tmp_path)
    await child.prepare(early)
    await child.kill()
    await child.start()
    async with asyncio.timeout(30):
        assert await child.wait() == 0
    assert path.read_text() == "plain "


async def test_a_prepared_program_that_is_stopped_never_runs(tmp_path: Path) -> None:
    child, early, path = early_child(tmp_path)
    await child.prepare(early)
    await child.stop()
    assert not child.running
    assert not path.exists()


@pytest.mark.parametrize("service", ["issuer", "verifier", "notifier", "compat"])
def test_what_begins_early_becomes_the_service_in_the_environment_it_is_told(service: str) -> None:
    argv = Plan().early_program(service)
    assert argv is not None
    told = {name: value for name, value in os.environ.items() if not name.startswith("MAGICLINK_")}
    own = {**os.environ, "MAGICLINK_HTTP_PORT": "no port"}
    line = json.dumps({**told, "MAGICLINK_OPS_PORT": "not a port either"}) + "\n"
    done = subprocess.run(argv, input=line, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "MAGICLINK_OPS_PORT" in done.stderr
    assert "MAGICLINK_HTTP_PORT" not in done.stderr


def test_what_begins_early_ends_when_it_is_not_wanted_any_more() -> None:
    argv = Plan().early_program("issuer")
    assert argv is not None
    done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_other_programs_and_parents_of_workers_do_not_begin_early() -> None:
    plan = Plan(programs={"issuer": ["true"]}, workers={"verifier": 2})
    assert plan.early_program("issuer") is None
    assert plan.early_program("verifier") is None
    assert plan.early_program("notifier") is not None
    assert Plan(workers={"*": 2}).early_program("notifier") is None


async def test_only_a_database_at_the_newest_revision_is_not_migrated(database_server: Postgres) -> None:
    owner = await asyncpg.connect(database_server.url())
    await owner.execute("CREATE DATABASE empty_one")
    await owner.execute("CREATE DATABASE older_one")
    await owner.close()
    older = await asyncpg.connect(database_server.url(database="older_one"))
    await older.execute("CREATE TABLE magiclink_schema_version AS SELECT '0001'::text AS version_num")
    await older.close()
    assert await has_newest_schema(database_server.url(database="magiclink"))
    assert not await has_newest_schema(database_server.url(database="empty_one"))
    assert not await has_newest_schema(database_server.url(database="older_one"))
    connection = await asyncpg.connect(database_server.url(database="magiclink"))
    found = await connection.fetchval("SELECT version_num FROM magiclink_schema_version")
    await connection.close()
    assert found == newest_revision()
