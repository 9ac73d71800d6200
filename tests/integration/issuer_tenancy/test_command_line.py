import json
import secrets
from urllib.parse import urlsplit

import pytest

from shared.api_keys import SCOPES
from shared.database import Pool
from shared.keys import MASTER, SERVICE_PURPOSES, KeyRing
from tests.integration.issuer_tenancy.bench import Caller
from tests.integration.issuer_tenancy.conftest import Urls
from tests.programs import Program


@pytest.fixture
def program(crud_database: Urls) -> Program:
    return Program(MAGICLINK_DATABASE_URL=crud_database.owner)


async def test_an_app_and_a_key_made_at_the_command_line_work(program: Program, shop: Caller) -> None:
    made = await program(
        "apps", "create", "Command Shop", "--redirect", "https://a.example/in", "--redirect", "https://b.example/*",
        "--base-url", "https://a.example", "--default-redirect", "/in", "--intake", "--json",
    )  # fmt: skip
    assert made.status == 0, made.err
    app = json.loads(made.out)
    assert (app["redirect_urls"], app["intake"]) == (["https://a.example/in", "https://b.example/*"], True)
    assert app["id"] in (await program("apps", "list")).out

    key = await program("keys", "create", "--app", app["id"], "--name", "ops", "--all-scopes")
    assert key.status == 0, key.err
    caller = Caller(shop.http, shop.replica, shop.owner, app["id"], key.out)
    assert (await caller.ask("GET", f"/v1/apps/{app['id']}")).status == 200

    listed = json.loads((await program("keys", "list", "--app", app["id"], "--json")).out)
    assert (listed[0]["scopes"], "key" in listed[0]) == (list(SCOPES), False)
    assert (await program("keys", "revoke", listed[0]["id"])).status == 0
    shop.replica.api_keys.forget()
    assert (await caller.ask("GET", f"/v1/apps/{app['id']}")).status == 401


async def test_a_narrow_key_is_made_at_the_command_line(program: Program, shop: Caller) -> None:
    made = await program(
        "keys", "create", "--app", shop.app_id, "--name", "newsletter", "--scope", "links:create", "--type", "invite",
        "--redirect", "https://shop.example/in/*", "--max-ttl", "600", "--recipient-domain", "Shop.Example", "--json",
    )  # fmt: skip
    assert made.status == 0, made.err
    key = json.loads(made.out)
    assert (key["types"], key["redirect_urls"]) == (["invite"], ["https://shop.example/in/*"])
    assert (key["max_ttl_seconds"], key["recipient_domains"]) == (600, ["shop.example"])
    listed = (await program("keys", "list", "--app", shop.app_id)).out
    assert "types=invite  redirect_urls=https://shop.example/in/*  max_ttl_seconds=600" in listed
    wrong = await program(
        "keys", "create", "--app", shop.app_id, "--name", "x", "--all-scopes", "--type", "logon", "--max-ttl", "1",
    )  # fmt: skip
    assert wrong.status == 1
    assert "types.0" in wrong.err
    assert "max_ttl_seconds" in wrong.err


async def test_an_app_that_answers_as_a_vendors_is_made_at_the_command_line(
    program: Program, shop: Caller
) -> None:
    vendor_id = secrets.token_hex(8)
    wanted = (
        "apps", "create", "Old Shop", "--vendor", "fusionauth", "--vendor-id", vendor_id, "--jwt-issuer", "old.example",
    )  # fmt: skip
    made = await program(
        *wanted, "--jwt-audience", "a", "--jwt-audience", "b", "--user-id-format", "u_{uuid}", "--json"
    )
    assert made.status == 0, made.err
    app = json.loads(made.out)
    assert (app["vendor"], app["vendor_id"], app["jwt_issuer"]) == ("fusionauth", vendor_id, "old.example")
    assert (app["jwt_audience"], app["user_id_format"], app["locale"]) == (["a", "b"], "u_{uuid}", "en")
    again = await program(*wanted)
    assert (again.status, "another app answers" in again.err) == (1, True)
    alone = await program("apps", "create", "Old Shop", "--vendor", "fusionauth")
    assert (alone.status, "vendor_id" in alone.err) == (1, True)

    key = await program(
        "keys", "create", "--app", app["id"], "--name", "till", "--scope", "links:create", "--json",
        "--endpoint", "POST /api/passwordless/start", "--endpoint", "get /api/user", "--endpoint", "PATCH /api/user",
    )  # fmt: skip
    assert key.status == 0, key.err
    endpoints = {"/api/passwordless/start": ["POST"], "/api/user": ["GET", "PATCH"]}
    assert json.loads(key.out)["endpoints"] == endpoints
    listed = (await program("keys", "list", "--app", app["id"])).out
    assert "endpoints=GET /api/user,PATCH /api/user,POST /api/passwordless/start" in listed
    wrong = await program(
        "keys", "create", "--app", app["id"], "--name", "x", "--all-scopes", "--endpoint", "/api/user"
    )
    assert (wrong.status, "a method and a path" in wrong.err) == (2, True)


async def test_http_urls_are_for_dev(program: Program) -> None:
    asked = ("apps", "create", "Local", "--redirect", "http://localhost:8000/in")
    refused = await program(*asked)
    assert (refused.status, "redirect_urls: entry 0 must be https" in refused.err) == (1, True)
    program.environment["MAGICLINK_ENVIRONMENT"] = "dev"
    assert (await program(*asked)).status == 0


async def test_mistakes_get_one_clear_line(program: Program) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    asked = [
        (("keys", "create", "--app", unknown, "--name", "x", "--all-scopes"), 1, "no such app"),
        (("keys", "create", "--app", unknown, "--name", "x"), 2, "--all-scopes"),
        (("keys", "list", "--app", unknown), 1, "no such app"),
        (("keys", "revoke", unknown), 1, "there is no key"),
        (("keys", "master", "--kid", "xy"), 2, "one letter or digit"),
        (("keys", "derive", "issuer"), 2, "MAGICLINK_MASTER_KEYS: is required"),
    ]
    for arguments, status, words in asked:
        ended = await program(*arguments)
        assert (ended.status, words in ended.err) == (status, True), (arguments, ended)


async def test_a_missing_or_wrong_database_is_named(crud_database: Urls) -> None:
    secret = "hunter2hunter2"
    for url, status, words in (
        (None, 2, "MAGICLINK_DATABASE_URL: is required"),
        (f"mysql://root:{secret}@db/x", 2, "MAGICLINK_DATABASE_URL: must be a URL such as postgresql://"),
        (f"postgresql://root:{secret}@127.0.0.1:1/x", 1, "check MAGICLINK_DATABASE_URL"),
        (crud_database.owner.replace("/crud_", "/other_"), 1, "check MAGICLINK_DATABASE_URL"),
    ):
        program = Program(**({} if url is None else {"MAGICLINK_DATABASE_URL": url}))
        ended = await program("apps", "list")
        assert (ended.status, words in ended.err, secret in ended.err) == (status, True, False), ended


async def test_a_database_without_schema_asks_for_migrate(crud_database: Urls) -> None:
    name = urlsplit(crud_database.owner).path
    program = Program(MAGICLINK_DATABASE_URL=crud_database.owner.replace(name, "/postgres"))
    ended = await program("apps", "list")
    assert (ended.status, "run `magiclink migrate` first" in ended.err) == (1, True), ended


async def test_migrating_again_changes_nothing(program: Program, owner: Pool) -> None:
    before = await owner.fetchval("SELECT count(*) FROM magiclink.apps")
    ended = await program("migrate")
    assert (ended.status, ended.out.startswith("the schema is at revision")) == (0, True), ended
    assert await owner.fetchval("SELECT count(*) FROM magiclink.apps") == before


async def test_migrating_nowhere_is_told_without_a_traceback() -> None:
    ended = await Program(MAGICLINK_DATABASE_URL="postgresql://x:hunter2@127.0.0.1:1/x")("migrate")
    assert (ended.status, "could not be migrated" in ended.err, "hunter2" in ended.err) == (1, True, False), (
        ended
    )


async def test_services_get_rings_derived_from_the_master() -> None:
    master = (await Program()("keys", "master")).out
    KeyRing.parse(master, [MASTER])
    program = Program(MAGICLINK_MASTER_KEYS=master)
    for service, purposes in SERVICE_PURPOSES.items():
        derived = (await program("keys", "derive", service)).out
        KeyRing.parse(derived, purposes)
        assert master.rpartition(":")[2] not in derived


async def test_a_service_without_settings_lists_every_missing_one() -> None:
    ended = await Program()("issuer")
    assert ended.status == 2
    for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "KAFKA_BOOTSTRAP", "KEYS"):
        assert f"MAGICLINK_{name}: is required" in ended.err
