"""`magiclink keys rotate|drop|status|signing`: on files and in pipes, with the database's word on what still needs a key."""

import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.dev.postgres import SUPERUSER, Postgres
from services.operator.signing_rotation import KEEP_SECONDS, RETIRED
from services.verifier.signing_keys import SigningKeys
from shared.keys import new_master
from tests.programs import Ended, Program
from tests.seeds import Seeds

KID = "Q"  # no other test makes links with it


@pytest.fixture
def program(database_server: Postgres) -> Program:
    return Program(MAGICLINK_DATABASE_URL=database_server.url(SUPERUSER, "magiclink"))


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    file = tmp_path / "master.keys"
    file.write_text(new_master(KID) + "\n")
    file.chmod(0o640)
    return file


@pytest.fixture(autouse=True)
async def no_rows_of_ours(owner: asyncpg.Connection) -> AsyncIterator[None]:
    yield
    await owner.execute("DELETE FROM magiclink.links WHERE kid = $1", KID)
    await owner.execute("DELETE FROM magiclink.idempotency_keys WHERE scope = 'rotation'")


def lines_of(ring: Path) -> list[str]:
    return ring.read_text().split()


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def owner_and_mode_of(file: Path) -> tuple[int, int, int]:
    facts = file.stat()
    return facts.st_uid, facts.st_gid, facts.st_mode


def is_link(file: Path) -> bool:
    return file.is_symlink()


async def dropped(program: Program, ring: Path) -> Ended:
    return await program("keys", "drop", KID, str(ring))


async def test_a_file_is_rotated_in_place_and_no_key_is_shown(program: Program, ring: Path) -> None:
    for step, kids in (("--stage", [KID, "R"]), ("--activate", ["R", KID])):
        ended = await program("keys", "rotate", step, str(ring))
        assert (ended.status, ended.out) == (0, ""), ended
        lines = lines_of(ring)
        assert [line[0] for line in lines] == kids
        assert not any(line.rpartition(":")[2] in ended.err for line in lines)
    assert mode_of(ring) == 0o640


async def test_a_rotated_file_keeps_its_owner_and_a_link_to_it_stays_a_link(
    program: Program, ring: Path, tmp_path: Path
) -> None:
    # Rotated by root, it would else be root's alone, and the service could not read its keys any more.
    if os.geteuid() == 0:
        os.chown(ring, 12345, 12346)
    before = owner_and_mode_of(ring)
    link = tmp_path / "current.keys"
    link.symlink_to(ring)
    ended = await program("keys", "rotate", "--stage", str(link))
    assert ended.status == 0, ended
    assert (is_link(link), len(lines_of(ring))) == (True, 2)
    assert owner_and_mode_of(ring) == before


async def test_a_pipe_works_too(program: Program) -> None:
    staged = await program("keys", "rotate", "--stage", given=new_master("a"))
    active = await program("keys", "rotate", "--activate", given=staged.out)
    assert [line[0] for line in active.out.split()] == ["b", "a"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [({}, "1 live links"), ({"starts_in_seconds": 600}, "1 scheduled"),
     ({"consumed": True}, "1 exchangeable")],
)  # fmt: skip
async def test_a_key_that_a_link_needs_is_not_dropped(
    program: Program,
    ring: Path,
    seeds: Seeds,
    owner: asyncpg.Connection,
    columns: dict[str, float],
    words: str,
) -> None:
    for step in ("--stage", "--activate"):
        await program("keys", "rotate", step, str(ring))
    consumed = columns.pop("consumed", None) if "consumed" in columns else None
    link = await seeds.link(await seeds.app(), kid=KID, **columns)
    if consumed:
        await owner.execute("UPDATE magiclink.links SET consumed_at = now() WHERE id = $1", link.id)
    before = lines_of(ring)
    refused = await dropped(program, ring)
    assert (refused.status, words in refused.err, "--force" in refused.err) == (1, True, True), refused
    assert lines_of(ring) == before

    status = json.loads((await program("keys", "status", str(ring), "--json")).out)
    assert [(row["kid"], row["role"]) for row in status][:2] == [("R", "signs"), (KID, "verifies")]
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", link.id)
    assert (await dropped(program, ring)).status == 0
    assert [line[0] for line in lines_of(ring)] == ["R"]


async def test_a_key_by_which_a_repeated_request_is_recognized_is_not_dropped(
    program: Program, ring: Path, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    for step in ("--stage", "--activate"):
        await program("keys", "rotate", step, str(ring))
    app = await seeds.app()
    await owner.execute(
        "INSERT INTO magiclink.idempotency_keys (app_id, scope, key, body_hash, answer, expires_at)"
        " VALUES ($1, 'rotation', 'k', $2, '{}', now() + interval '1 hour')",
        app.id,
        KID.encode() + bytes(32),
    )
    refused = await dropped(program, ring)
    assert (refused.status, "1 requests that may be repeated" in refused.err) == (1, True), refused
    forced = await program("keys", "drop", KID, "--force", str(ring))
    assert forced.status == 0


async def test_a_key_that_seals_a_second_factor_is_needed_for_good(
    program: Program, ring: Path, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    await owner.execute(
        "INSERT INTO magiclink.second_factors (id, kid, app_id, user_id, secret) VALUES ($1, $2, $3, $4, '')",
        app.key_id,
        KID,
        app.id,
        await seeds.user(app),
    )
    for step in ("--stage", "--activate"):
        await program("keys", "rotate", step, str(ring))
    refused = await dropped(program, ring)
    assert refused.status != 0
    assert "needed for good" in refused.err
    assert "1 second factors" in refused.err
    await owner.execute("DELETE FROM magiclink.second_factors WHERE kid = $1", KID)
    assert (await dropped(program, ring)).status == 0


_LIVE = "INSERT INTO magiclink.{table} (id, kid, app_id, user_id, expires_at{more}) VALUES ($1, $2, $3, $4, now() + interval '1 hour'{given})"
_WEBHOOK = (
    "INSERT INTO magiclink.webhook_endpoints (id, kid, app_id, url) VALUES ($1, $2, $3, $4::uuid::text)"
)


@pytest.mark.parametrize(
    ("insert", "over", "words"),
    [
        (
            _LIVE.format(table="sessions", more=", opened_by", given=", 'api'"),
            "UPDATE magiclink.sessions SET revoked_at = now() WHERE kid = $1",
            "1 sessions",
        ),
        (
            _LIVE.format(table="trusted_devices", more="", given=""),
            "UPDATE magiclink.trusted_devices SET expires_at = now() WHERE kid = $1",
            "1 trusted devices",
        ),
        (
            _LIVE.format(table="challenges", more="", given=""),
            "UPDATE magiclink.challenges SET done_at = now() WHERE kid = $1",
            "1 challenges",
        ),
        (_WEBHOOK, "DELETE FROM magiclink.webhook_endpoints WHERE kid = $1", "1 webhooks"),
    ],
)
async def test_a_key_that_makes_what_outlives_links_is_kept_until_that_is_over(
    program: Program, ring: Path, seeds: Seeds, owner: asyncpg.Connection, insert: str, over: str, words: str
) -> None:
    app = await seeds.app()
    await owner.execute(insert, app.key_id, KID, app.id, await seeds.user(app))
    for step in ("--stage", "--activate"):
        await program("keys", "rotate", step, str(ring))
    refused = await dropped(program, ring)
    assert (refused.status, words in refused.err) == (1, True), refused
    await owner.execute(over, KID)
    assert (await dropped(program, ring)).status == 0


async def test_a_key_stays_as_long_as_the_use_of_its_links_is_polled_for(
    program: Program, ring: Path, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    for step in ("--stage", "--activate"):
        await program("keys", "rotate", step, str(ring))
    link = await seeds.link(await seeds.app(), kid=KID)
    used = "UPDATE magiclink.links SET consumed_at = now() - make_interval(secs => $2), exchanged_at = now() WHERE id = $1"
    await owner.execute(used, link.id, 590.0)
    assert (await dropped(program, ring)).status == 1
    await owner.execute(used, link.id, 601.0)
    assert (await dropped(program, ring)).status == 0


async def test_signing_keys_are_rotated_in_place_and_kept_until_their_last_jwt(
    program: Program, tmp_path: Path
) -> None:
    file = tmp_path / "signing_keys.json"
    file.write_text((await program("keys", "signing")).out)
    old = SigningKeys.parse(file.read_text())
    assert (await program("keys", "signing", "rotate", "--stage", str(file))).status == 0
    early = await program("keys", "signing", "rotate", "--activate", str(file))
    assert (early.status, "JWK Set without the new keys" in early.err) == (1, True)
    assert (await program("keys", "signing", "rotate", "--activate", "--force", str(file))).status == 0
    new = SigningKeys.parse(file.read_text())
    assert new.private["EdDSA"][0] != old.private["EdDSA"][0]
    assert len(new.jwks["keys"]) == 6

    refused = await program("keys", "signing", "drop", "--kid", old.private["EdDSA"][0], str(file))
    assert (refused.status, "last JWTs may be about" in refused.err) == (1, True)
    keys = json.loads(file.read_text())
    for key in keys["keys"]:
        if RETIRED in key:
            key[RETIRED] -= KEEP_SECONDS
    file.write_text(json.dumps(keys))
    roles = [
        row["role"]
        for row in json.loads((await program("keys", "signing", "status", str(file), "--json")).out)
    ]
    assert sorted(roles) == ["droppable"] * 3 + ["signs"] * 3
    assert (await program("keys", "signing", "drop", "--retired", str(file))).status == 0
    assert len(SigningKeys.parse(file.read_text()).jwks["keys"]) == 3


async def test_mistakes_are_told_with_what_to_do(program: Program, ring: Path, tmp_path: Path) -> None:
    signing = tmp_path / "signing"
    signing.write_text("{}")
    for arguments, status, words in (
        (("rotate", str(ring)), 2, "say --stage or --activate"),
        (("rotate", "--activate", str(ring)), 1, "keys rotate --stage"),
        (("rotate", "--stage", str(tmp_path / "none")), 1, "cannot be read: No such file"),
        (("drop", KID, str(ring)), 1, "signs: activate another one first"),
        (("drop", "x", str(ring)), 1, f"there is no key x; there are {KID}"),
        (("rotate", "--stage", str(signing)), 2, "the key ring is not valid"),
        (("signing", "rotate", "--stage", str(signing)), 1, "is not a JWK Set"),
        (("signing", "drop", str(signing)), 2, "give --kid once or more, or --retired"),
    ):
        ended = await program("keys", *arguments)
        assert (ended.status, words in ended.err) == (status, True), (arguments, ended)


async def test_a_service_is_checked_without_being_started(
    program: Program, database_server: Postgres
) -> None:
    program.environment |= {
        "MAGICLINK_DATABASE_URL": database_server.url(SUPERUSER, "magiclink"),
        "MAGICLINK_REDIS_URL": "redis://:hunter2hunter2@127.0.0.1:1/0",
        "MAGICLINK_PUBLIC_URL": "https://links.example",
        "MAGICLINK_SIGNING_KEYS": (await program("keys", "signing")).out,
        "MAGICLINK_KEYS": (
            await program("keys", "derive", "verifier", "--master", "-", given=new_master())
        ).out,
    }
    ended = await program("check", "verifier", "--json")
    words = json.loads(ended.out)
    assert (ended.status, words["settings"], words["postgresql"], words["redis"].partition(":")[0]) == (
        1,
        "ok",
        "ok",
        "failed",
    ), words
    assert "hunter2" not in ended.out + ended.err

    program.environment["MAGICLINK_DATABASE_URL"] = database_server.url(SUPERUSER, "postgres")
    assert "run `magiclink migrate`" in (await program("check", "verifier")).out
    del program.environment["MAGICLINK_KEYS"]
    program.environment["MAGICLINK_PUBLIC_URL"] = "http://links.example"
    both = await program("check", "verifier")
    assert both.status == 2
    assert "MAGICLINK_KEYS: is required" in both.err
    assert "MAGICLINK_PUBLIC_URL: must be https" in both.err
