"""`magiclink vendors`: what it prints is what the vendor's SDK needs, and what it makes is what compat needs."""

import json

import asyncpg
import pytest

from services.dev.postgres import Postgres
from shared.api_keys import hash_key
from tests.programs import Program

COMPAT = "https://vendors.example.com"


@pytest.fixture
def program(database_server: Postgres) -> Program:
    return Program(MAGICLINK_DATABASE_URL=database_server.url("issuer", "magiclink"))


async def added(program: Program, *arguments: str) -> dict[str, str]:
    run = await program("vendors", "add", *arguments, "--compat-url", COMPAT, "--json")
    assert run.status == 0, run.err
    made: dict[str, str] = json.loads(run.out)
    return made


async def app_of(owner: asyncpg.Connection, key: str) -> asyncpg.Record:
    row = await owner.fetchrow(
        "SELECT a.*, k.scopes FROM magiclink.api_keys k JOIN magiclink.apps a ON a.id = k.app_id WHERE k.hash = $1",
        hash_key(key),
    )
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("vendor", "id_name", "key_name", "user_id_format"),
    [
        ("stytch", "project_id", "secret", "user-live-{uuid}"),
        ("workos", "client_id", "api_key", "user_{ulid}"),
        ("passage", "app_id", "api_key", "{base62}"),
        ("fusionauth", "tenant_id", "api_key", "{uuid}"),
    ],
)
async def test_an_app_and_its_key_are_made_in_one_step(
    program: Program, owner: asyncpg.Connection, vendor: str, id_name: str, key_name: str, user_id_format: str
) -> None:
    made = await added(
        program, vendor, "Shop", "--base-url", "https://shop.example", "--redirect", "https://shop.example/in"
    )
    assert made["base_url"] == COMPAT
    app = await app_of(owner, made[key_name])
    assert str(app["id"]) == made["native_app_id"]
    assert (app["vendor"], app["vendor_id"], app["name"]) == (vendor, made[id_name], "Shop")
    assert (app["jwt_algorithm"], app["user_id_format"]) == ("RS256", user_id_format)
    assert app["default_redirect_url"] == "https://shop.example/in"
    assert not [scope for scope in app["scopes"] if scope.startswith("apps:")]


async def test_the_id_that_the_product_uses_today_is_kept(
    program: Program, owner: asyncpg.Connection
) -> None:
    project_id = "project-test-00000000-0000-4000-8000-000000000001"
    made = await added(program, "stytch", "Shop", "--id", project_id)
    app = await app_of(owner, made["secret"])
    assert (app["jwt_issuer"], app["jwt_audience"]) == (f"stytch.com/{project_id}", [project_id])
    assert app["user_id_format"] == "user-test-{uuid}"
    again = await program("vendors", "add", "stytch", "Shop", "--id", project_id, "--compat-url", COMPAT)
    assert again.status == 1
    assert "vendor_id" in again.err


async def test_a_fusionauth_tenant_comes_with_an_application(
    program: Program, owner: asyncpg.Connection
) -> None:
    application_id = "10000000-0000-0002-0000-000000000001"
    made = await added(program, "fusionauth", "Shop", "--application", application_id)
    assert made["application_id"] == application_id
    rows = await owner.fetch(
        "SELECT app_id::text FROM magiclink.applications WHERE id = $1::uuid", application_id
    )
    assert [row["app_id"] for row in rows] == [made["native_app_id"]]
    app = await app_of(owner, made["api_key"])
    assert app["redirect_urls"] == [f"{COMPAT}/oauth2/passwordless/*"]


async def test_compats_own_key_acts_and_administers_nothing(
    program: Program, owner: asyncpg.Connection
) -> None:
    run = await program("vendors", "compat-key")
    assert run.status == 0, run.err
    app = await app_of(owner, run.out)
    assert [scope for scope in app["scopes"] if scope.startswith("apps:")] == ["apps:act"]
    assert app["vendor"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("workos", "Shop"), "give --redirect"),
        (
            ("stytch", "Shop", "--application", "10000000-0000-0002-0000-000000000001"),
            "--application is for fusionauth",
        ),
        (("stytch", "Shop", "--redirect", "http://shop.example/in"), "https"),
        (("workos", "Shop", "--redirect", "https://shop.example/*"), "redirect"),
        (("okta", "Shop"), "okta"),
    ],
)
async def test_mistakes_are_told_in_words(program: Program, arguments: tuple[str, ...], said: str) -> None:
    run = await program("vendors", "add", *arguments, "--compat-url", COMPAT)
    assert run.status in (1, 2)
    assert said in run.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("vendors.example.com", "must be"),
        ("https://example.com/vendors", "no path"),
        ("http://vendors.example.com", "https outside the dev environment"),
    ],
)
async def test_a_base_url_that_no_sdk_could_use_is_refused(program: Program, url: str, said: str) -> None:
    run = await program("vendors", "add", "stytch", "Shop", "--compat-url", url)
    assert run.status == 2
    assert said in " ".join(run.err.split())
