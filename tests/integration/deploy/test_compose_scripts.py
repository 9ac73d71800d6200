"""What docker-compose.yml runs once: the secrets, the owner, the migration and the logins, on a real PostgreSQL."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.dev.plan import WITH_DATABASE
from services.dev.postgres import PORT, Postgres, find_binaries
from services.verifier.signing_keys import SigningKeys
from shared.bus import TOPICS
from shared.keys import SERVICE_PURPOSES, KeyRing
from tests.house.tree import ROOT

COMPOSE = ROOT / "deploy" / "compose"


def run(
    command: list[str], environment: Mapping[str, str], folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def make_secrets(folder: Path) -> str:
    program = Path(sys.executable).with_name("magiclink")
    done = run([str(COMPOSE / "make-secrets"), str(folder)], {"MAGICLINK": str(program)})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    make_secrets(folder)
    return folder


def test_the_secrets_are_made_whole_and_kept_from_others(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    for service in WITH_DATABASE:
        KeyRing.parse((secrets / f"{service}_keys").read_text(), SERVICE_PURPOSES[service])
    SigningKeys.parse((secrets / "signing_keys").read_text())
    # Containers run as nobody of the host.
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o644}


def test_no_password_stands_twice(secrets: Path) -> None:
    passwords = [urlsplit(path.read_text()).password for path in secrets.glob("*_database_url")]
    assert len(set(passwords)) == len(passwords) == 4
    assert all(len(password or "") == 48 for password in passwords)


def test_a_second_run_keeps_every_secret(secrets: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    assert make_secrets(secrets) == ""
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before


def inside_container(secrets: Path, folder: Path, host: str) -> Path:
    """Return the secrets as containers see them, but for the database's address: theirs is a container's name."""
    folder.mkdir()
    for path in secrets.glob("*_database_url"):
        text = path.read_text().replace("@postgres:5432/magiclink", f"@/magiclink?host={host}&port={PORT}")
        (folder / path.name).write_text(text)
    return folder


async def test_owner_migration_and_logins_come_in_order_and_may_come_again(
    secrets: Path, own_postgres: Postgres, tmp_path: Path
) -> None:
    host = str(own_postgres.url().rpartition("host=")[2])
    inside = inside_container(secrets, tmp_path / "inside", host)
    environment = {
        "SECRETS": str(inside),
        "PATH": f"{find_binaries()}:{os.environ['PATH']}",
        "POSTGRES_USER": "postgres",
        "PGHOST": host,
        "PGPORT": str(PORT),
    }
    steps = [["sh", str(COMPOSE / "owner.sh")]]
    steps += [[sys.executable, "-m", "services.cli", "migrate"], ["sh", str(COMPOSE / "logins.sh")]] * 2
    for step in steps:
        setting = {"MAGICLINK_DATABASE_URL_FILE": str(inside / "owner_database_url")}
        done = await asyncio.to_thread(run, step, {**environment, **setting})
        assert done.returncode == 0, done.stdout + done.stderr
    for service in WITH_DATABASE:
        connection = await asyncpg.connect((inside / f"{service}_database_url").read_text())
        groups = await connection.fetchval(
            "SELECT array_agg(r.rolname::text) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
            " WHERE m.member = $1::regrole",
            service,
        )
        stored = await connection.fetchval(
            "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = $1", service
        )
        await connection.close()
        assert groups == [f"magiclink_{service}"]
        assert not stored


def test_every_topic_is_made_with_its_partitions(tmp_path: Path) -> None:
    program = tmp_path / "kafka-topics.sh"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    program.chmod(0o755)
    topics = ROOT / "deploy" / "kafka" / "topics.txt"
    done = run(
        ["sh", str(ROOT / "deploy" / "kafka" / "make-topics"), "kafka:9092", str(topics)],
        {"KAFKA_TOPICS": str(program)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"--bootstrap-server kafka:9092 --create --if-not-exists --topic {topic} --partitions {partitions}"
        for topic, partitions in TOPICS.items()
    ]
