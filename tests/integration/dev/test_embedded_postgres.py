"""PostgreSQL: start, stop, crash, and what a killed launcher leaves behind."""

from pathlib import Path

import asyncpg
import pytest

from services.dev.postgres import Postgres
from services.dev.problems import DevProblem
from tests.backends import new_postgres


async def write(server: Postgres) -> None:
    connection = await asyncpg.connect(server.url())
    await connection.execute("CREATE TABLE kept (value int); INSERT INTO kept VALUES (42)")
    await connection.close()


async def read(server: Postgres) -> int | None:
    connection = await asyncpg.connect(server.url())
    try:
        value: int | None = await connection.fetchval("SELECT value FROM kept")
    finally:
        await connection.close()
    return value


async def test_a_stop_and_a_start_keep_data_and_url(own_postgres: Postgres) -> None:
    url = own_postgres.url()
    await write(own_postgres)
    await own_postgres.stop()
    assert not own_postgres.running
    with pytest.raises(OSError):
        await asyncpg.connect(url)
    await own_postgres.start()
    assert own_postgres.url() == url
    assert await read(own_postgres) == 42


async def test_what_was_committed_outlives_a_kill(own_postgres: Postgres) -> None:
    await write(own_postgres)
    await own_postgres.kill()
    assert not own_postgres.running
    await own_postgres.start()
    assert await read(own_postgres) == 42


async def test_a_lock_file_with_the_id_of_a_foreign_process_does_not_stop_the_start(
    own_postgres: Postgres,
) -> None:
    await write(own_postgres)
    await own_postgres.kill()
    lock_file = own_postgres.data_dir / "postmaster.pid"
    assert own_postgres.socket_dir is not None
    # As after a restart of the machine: the number is given to another program, here to init.
    for stale in (lock_file, own_postgres.socket_dir / ".s.PGSQL.5432.lock"):
        lines = stale.read_text().split("\n")
        stale.write_text("\n".join(["1", *lines[1:]]))
    await own_postgres.start()
    assert await read(own_postgres) == 42


async def test_two_servers_run_side_by_side(own_postgres: Postgres, tmp_path: Path) -> None:
    other = new_postgres(tmp_path / "other clone")
    await other.start()
    try:
        await write(other)
        assert other.url() != own_postgres.url()
        with pytest.raises(asyncpg.UndefinedTableError):
            await read(own_postgres)
    finally:
        await other.stop()


async def test_data_of_another_major_version_is_refused_by_name(tmp_path: Path) -> None:
    server = new_postgres(tmp_path)
    server.data_dir.mkdir(parents=True)
    (server.data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(DevProblem, match=r"PostgreSQL 9, .*\n.*MAGICLINK_DEV_POSTGRES_BIN"):
        await server.start()


async def test_a_folder_without_programs_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICLINK_DEV_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(DevProblem, match=r"no `initdb` and `postgres` in .*MAGICLINK_DEV_POSTGRES_BIN"):
        await new_postgres(tmp_path).start()


async def test_a_stop_leaves_no_socket_folder(tmp_path: Path) -> None:
    server = new_postgres(tmp_path)
    await server.start()
    assert server.socket_dir is not None
    await server.stop()
    assert not server.socket_dir.exists()
