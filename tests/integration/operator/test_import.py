"""`magiclink import`: everybody once, again without harm, and a reason for whoever is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.dev.postgres import Postgres
from services.operator.imports import command
from services.operator.imports.files import fingerprint
from services.operator.imports.import_users import import_batch
from services.operator.imports.rows import TargetApp
from services.operator.imports.trial import Trial
from services.operator.imports.vendors import stytch
from shared.database import Pool
from shared.public_ids import format_id
from tests.programs import Program
from tests.seeds import SeededApp, Seeds

Write = Callable[[list[dict[str, Any]]], Path]


@pytest.fixture
def program(database_server: Postgres) -> Program:
    return Program(MAGICLINK_DATABASE_URL=database_server.url("issuer", "magiclink"))


@pytest.fixture
async def app(seeds: Seeds) -> SeededApp:
    return await seeds.app(user_id_format="user-live-{uuid}")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(users: list[dict[str, Any]]) -> Path:
        path = tmp_path / "users.jsonl"
        path.write_text("".join(json.dumps(user) + "\n" for user in users))
        return path

    return to_file


async def counts_of(program: Program, *arguments: str) -> dict[str, int]:
    run = await program("import", *arguments, "--json")
    assert run.status == 0, run.err
    counts: dict[str, int] = json.loads(run.out)
    return counts


def stytch_user(user_id: UUID | None = None, **changes: Any) -> dict[str, Any]:
    user_id = user_id or uuid4()
    address = {"email_id": "e", "email": f"{user_id.hex}@example.com", "verified": True}
    return {"user_id": f"user-live-{user_id}", "emails": [address], "status": "active", **changes}


async def users_of(owner: asyncpg.Connection, app: SeededApp) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT * FROM magiclink.users WHERE app_id = $1 ORDER BY created_at, id", app.id
    )


def report_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.with_name(path.name + ".report.jsonl").read_text().splitlines()]


async def test_users_come_in_with_their_ids_and_come_once(
    program: Program, app: SeededApp, owner: asyncpg.Connection, write: Write
) -> None:
    users = [stytch_user() for _ in range(3)]
    path = write(users)
    first = await counts_of(program, "stytch", str(path), "--app", str(app.id))
    assert first == {"records": 3, "skipped": 0, "made": 3, "present": 0, "refused": 0}
    rows = await users_of(owner, app)
    assert {format_id("user-live-{uuid}", row["id"]) for row in rows} == {user["user_id"] for user in users}
    assert {row["email_verified"] for row in rows} == {True}
    again = await counts_of(program, "stytch", str(path), "--app", str(app.id))
    assert again == {"records": 3, "skipped": 0, "made": 0, "present": 3, "refused": 0}
    assert await users_of(owner, app) == rows


async def test_a_dry_run_finds_out_the_same_and_keeps_nothing(
    program: Program, app: SeededApp, owner: asyncpg.Connection, write: Write
) -> None:
    path = write([stytch_user(), stytch_user(emails=[{"email": "nonsense"}])])
    run = await program("import", "stytch", str(path), "--app", str(app.id), "--dry-run", "--json")
    assert run.status == 1
    assert json.loads(run.out) == {"records": 2, "skipped": 0, "made": 1, "present": 0, "refused": 1}
    assert await users_of(owner, app) == []


async def test_a_dry_run_remembers_whom_it_read_long_ago(app: SeededApp, issuer_pool: Pool) -> None:
    one, other = stytch_user(), stytch_user(external_id="crm-7")
    users = [
        one,
        one,
        other,
        one,
        stytch_user(emails=one["emails"]),
        stytch_user(),
        stytch_user(external_id="crm-7"),
    ]
    records = list(enumerate(users, start=1))
    target = TargetApp(app.id, "user-live-{uuid}")
    told = []
    for trial in (Trial(), None):
        batches = [
            await import_batch(issuer_pool, target, records[start : start + 2], stytch, trial)
            for start in range(0, 7, 2)
        ]
        told.append(
            [(outcome.fate, [p.field for p in outcome.problems]) for batch in batches for outcome in batch]
        )
    assert told[0] == told[1]
    assert told[1] == [
        ("made", []), ("present", []), ("made", []), ("present", []), ("refused", ["email"]), ("made", []),
        ("refused", ["external_id"]),
    ]  # fmt: skip


async def test_what_the_database_cannot_store_is_refused_and_stops_nobody_else(
    program: Program, app: SeededApp, owner: asyncpg.Connection, write: Write
) -> None:
    registered = {"applicationId": str(uuid4()), "roles": "admin"}
    users: list[dict[str, Any]] = [
        {"id": str(uuid4()), "email": "nul@example.com", "data": {"note": "a\0b"}},
        {"id": str(uuid4()), "email": "old@example.com", "insertInstant": "0001-01-01T00:00:00+14:00"},
        {"id": str(uuid4()), "email": "ada@example.com", "registrations": [registered]},
    ]
    path = write(users)
    await program("import", "fusionauth", str(path), "--app", str(app.id))
    told = {line["number"]: (line["fate"], [p["rule"] for p in line["problems"]]) for line in report_of(path)}
    assert told == {1: ("refused", ["holds_nul"]), 2: ("refused", ["not_a_time"]), 3: ("made", [])}
    assert [row["email"] for row in await users_of(owner, app)] == ["ada@example.com"]


async def test_whoever_is_refused_is_reported_by_field_and_not_by_address(
    program: Program, app: SeededApp, owner: asyncpg.Connection, write: Write
) -> None:
    one, taken = stytch_user(), stytch_user()
    users = [one, stytch_user(emails=one["emails"]), stytch_user(emails=[]), taken,
             stytch_user(emails=[{"email": "not an address", "verified": True}]), {"user_id": 3}]  # fmt: skip
    path = write(users)
    await program("import", "stytch", str(path), "--app", str(app.id))
    assert len(await users_of(owner, app)) == 2
    told = {line["number"]: [(p["field"], p["rule"]) for p in line["problems"]] for line in report_of(path)}
    assert told == {
        2: [("email", "already_exists")],
        3: [("body", "address_missing")],
        5: [("email", "email_format")],
        6: [("user_id", "not_text")],
    }
    assert "@" not in path.with_name(path.name + ".report.jsonl").read_text()


async def test_an_id_of_another_form_is_kept_beside_a_new_one(
    program: Program, seeds: Seeds, owner: asyncpg.Connection, write: Write
) -> None:
    app = await seeds.app(user_id_format="{base62}")
    path = write([{"id": "M6SNdnnS6ZRjT2BctV67If9K", "email": "ada@example.com", "status": "active"}])
    for fate in ("made", "present"):
        counts = await counts_of(program, "passage", str(path), "--app", str(app.id))
        assert counts[fate] == 1
    (row,) = await users_of(owner, app)
    assert row["imported_id"] == "M6SNdnnS6ZRjT2BctV67If9K"


async def test_the_same_people_come_into_two_apps(
    program: Program, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection, write: Write
) -> None:
    other = await seeds.app(user_id_format="user-live-{uuid}")
    user = stytch_user()
    path = write([user])
    await counts_of(program, "stytch", str(path), "--app", str(app.id))
    for fate in ("made", "present"):
        assert (await counts_of(program, "stytch", str(path), "--app", str(other.id)))[fate] == 1
    (row,) = await users_of(owner, other)
    assert row["imported_id"] == user["user_id"]


async def test_registrations_come_along_with_applications_that_are_there(
    program: Program, seeds: Seeds, owner: asyncpg.Connection, write: Write
) -> None:
    app = await seeds.app()
    known, unknown = uuid4(), uuid4()
    await owner.execute(
        "INSERT INTO magiclink.applications (id, app_id, name) VALUES ($1, $2, 'Shop')", known, app.id
    )
    registrations = [
        {"applicationId": str(one), "roles": ["admin"], "verified": True} for one in (known, unknown)
    ]
    user = {"id": str(uuid4()), "email": "ada@example.com", "registrations": registrations}
    path = write([user])
    await counts_of(program, "fusionauth", str(path), "--app", str(app.id))
    rows = await owner.fetch("SELECT * FROM magiclink.registrations WHERE app_id = $1", app.id)
    assert [(row["application_id"], row["roles"], str(row["user_id"])) for row in rows] == [
        (known, ["admin"], user["id"])
    ]
    assert report_of(path)[0]["left_out"] == ["registration of an application that the app does not have (1)"]


async def test_a_run_that_was_broken_off_goes_on_where_it_was(
    program: Program, app: SeededApp, owner: asyncpg.Connection, tmp_path: Path, write: Write
) -> None:
    users = [stytch_user() for _ in range(1200)]
    path = write(users)
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    # It is read whole first: a file that breaks off is told before anybody comes in.
    broken = await program("import", "stytch", str(path), "--app", str(app.id))
    assert broken.status == 1
    assert "line 1201" in broken.err
    assert await users_of(owner, app) == []
    write(users)
    order = command.Order(
        "stytch", path, app.id, path.with_name(path.name + ".report.jsonl"), dry_run=False, quiet=True
    )
    command._bookmark(order, fingerprint(path), 1000)
    counts = await counts_of(program, "stytch", str(path), "--app", str(app.id))
    assert counts == {"records": 1200, "skipped": 1000, "made": 200, "present": 0, "refused": 0}
    assert not order.bookmark.exists()
    whole = await counts_of(program, "stytch", str(path), "--app", str(app.id))
    assert (whole["made"], whole["present"]) == (1000, 200)


async def test_a_bookmark_of_another_file_is_not_gone_by(
    program: Program, app: SeededApp, write: Write
) -> None:
    path = write([stytch_user()])
    order = command.Order(
        "stytch", path, app.id, path.with_name(path.name + ".report.jsonl"), dry_run=False, quiet=True
    )
    command._bookmark(order, "another file", 1)
    assert (await counts_of(program, "stytch", str(path), "--app", str(app.id)))["made"] == 1


async def test_an_unknown_app_is_named(program: Program, write: Write) -> None:
    run = await program("import", "csv", str(write([])), "--app", str(uuid4()))
    assert run.status == 1
    assert "no app" in run.err
