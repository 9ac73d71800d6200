"""Apps and keys at the command line. The operator has the database itself, so these commands reach every app."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args
from uuid import UUID

import asyncpg
import click
from pydantic import Field, SecretStr, field_validator

from services.issuer.api_keys import create_key, key_settings, list_keys
from services.issuer.app_identity import Vendor
from services.issuer.app_settings import app_settings
from services.issuer.apps import create_app, find_app, list_apps
from services.issuer.paging import PageQuery
from services.issuer.tenancy import SQL, Reach
from shared.api_keys import SCOPES
from shared.command_line import AS_JSON, examples, show
from shared.database import Connection, Database, Pool, create_pool, is_away
from shared.errors import Invalid, Refusal
from shared.settings import PrefixedSettings, load_settings

T = TypeVar("T")

_EVERY_APP = Reach(UUID(int=0), every_app=True)
# A table, column or schema that is not there yet.
_NOT_MIGRATED = (
    asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError
)  # fmt: skip


class DatabaseSettings(PrefixedSettings):
    """All that these commands need."""

    database_url: SecretStr = Field(
        description="`postgresql://…` of the database's owner, for `migrate` and `dlq`, or of the issuer's role, for the others."
    )
    database_direct_url: SecretStr | None = Field(
        None, description="Past PgBouncer, for `migrate`; default: the database URL."
    )

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must be a URL such as postgresql://user@host/database")
        return value


def database_url(*, direct: bool = False) -> str:
    """Return the database's URL; `direct` past PgBouncer where there is one. Raises `SettingsProblem`."""
    settings = load_settings(DatabaseSettings)
    url = settings.database_direct_url if direct else None
    return (url or settings.database_url).get_secret_value()


def run_on_database(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run one transaction. What an operator can mend becomes one clear line; everything else is a fault and shows itself."""

    async def run(pool: Pool) -> T:
        async with pool.acquire() as connection, connection.transaction():
            return await work(connection)

    return run_on_pool(run)


def run_on_pool(work: Callable[[Pool], Awaitable[T]]) -> T:
    """Run work that opens its own transactions. Mistakes are told as by `run_on_database`."""
    url = database_url()
    with told_plainly():
        return asyncio.run(_run(url, work))


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what an operator can mend into `click.ClickException` with what to do; never a URL, which may hold a password."""
    try:
        yield
    except Invalid as invalid:
        lines = [f"{problem.field}: {problem.message}" for problem in invalid.problems]
        raise click.ClickException("\n".join(lines)) from None
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from None
    except _NOT_MIGRATED:
        raise click.ClickException(
            "the database has no schema yet, or an older one: run `magiclink migrate` first"
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise click.ClickException(
            f"{error}: use the URL of the database's owner; the issuer's role serves for `apps` and `keys` only"
        ) from None
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise click.ClickException(f"{error}: check MAGICLINK_DATABASE_URL") from None
    except Exception as error:
        if not is_away(error):
            raise
        raise click.ClickException(
            f"the database does not answer ({type(error).__name__}): check MAGICLINK_DATABASE_URL"
        ) from None


async def _run(url: str, work: Callable[[Pool], Awaitable[T]]) -> T:
    pool = await create_pool(Database(url, pool_size=2, name="admin"))
    try:
        return await work(pool)
    finally:
        await pool.close()


# Options that are named otherwise than their setting.
_SETTINGS = {"redirects": "redirect_urls", "default_redirect": "default_redirect_url"}


@click.command("create", epilog=examples("apps create Shop --redirect 'https://shop.example/*'"))
@click.argument("name")
@click.option("--redirect", "redirects", multiple=True, metavar="URL",
              help="Where links may lead: a URL, or a path prefix https://host/path/*. May be given again.")  # fmt: skip
@click.option("--base-url", metavar="URL", help="The product's site; links may lead to any path under it.")
@click.option("--default-redirect", metavar="URL", help="Where a link leads that names nothing.")
@click.option("--intake", is_flag=True, help="Take link requests for this app from Kafka.")
@click.option(
    "--vendor", type=click.Choice(get_args(Vendor)), help="Whose SDK the app answers, with --vendor-id."
)
@click.option(
    "--vendor-id", metavar="ID", help="The project, client, app or tenant of the vendor that it answers as."
)
@click.option("--jwt-issuer", metavar="TEXT", help="The `iss` of its JWTs; default: the verifier's URL.")
@click.option("--jwt-audience", multiple=True, metavar="TEXT",
              help="The `aud` of its JWTs; default: the app's id. May be given again.")  # fmt: skip
@click.option(
    "--user-id-format", metavar="FORMAT", help="How users are named, such as user_{ulid}; default: {uuid}."
)
@AS_JSON
def create_app_command(name: str, *, as_json: bool, **options: Any) -> None:
    """Make an app named NAME: a tenant with its own users, keys and links."""
    allow_http = allows_http()
    values = {"name": name, **{_SETTINGS.get(option, option): value for option, value in options.items()}}
    # An option that was not given leaves the setting at its default.
    values = {setting: value for setting, value in values.items() if value is not None}
    app = run_on_database(
        lambda connection: create_app(connection, app_settings(values, allow_http=allow_http))
    )
    show(app, f"app {app['id']} ({app['name']}) was made", as_json=as_json)


@click.command("list", epilog=examples("apps list --json"))
@AS_JSON
def list_apps_command(*, as_json: bool) -> None:
    """List the apps."""
    apps = run_on_database(
        lambda connection: _all_pages(lambda query: list_apps(connection, _EVERY_APP, query))
    )
    show(
        apps,
        "\n".join(f"{app['id']}  {app['name']}" for app in apps) or "there is no app yet",
        as_json=as_json,
    )


@click.command(
    "create",
    epilog=examples(
        "keys create --app 01912d68-783e-7a03-8467-5661c1243ad4 --name shop --scope links:create"
    ),
)
@click.option("--app", "app_id", type=click.UUID, required=True, help="The app's id.")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(list(SCOPES)), help="May be given again.")
@click.option("--all-scopes", is_flag=True, help="Every scope, apps:admin included.")
@click.option("--expires", type=click.DateTime(), help="When the key ends, in UTC; default: never.")
@click.option(
    "--type", "types", multiple=True, help="Types of links it may ask for; default: all. May be given again."
)
@click.option("--redirect", "redirect_urls", multiple=True, metavar="URL",
              help="Where its links may lead, a part of what the app allows. May be given again.")  # fmt: skip
@click.option(
    "--max-ttl", "max_ttl_seconds", type=int, metavar="SECONDS", help="The longest life it may ask for."
)
@click.option("--recipient-domain", "recipient_domains", multiple=True, metavar="DOMAIN",
              help="Send to e-mail addresses in this domain only, and to no phone. May be given again.")  # fmt: skip
@click.option("--endpoint", "endpoints", multiple=True, metavar="'METHOD PATH'",
              help="Of the vendor's API that the app answers, call this only: 'POST /api/passwordless/start'. May be given again.")  # fmt: skip
@AS_JSON
def create_key_command(
    *, app_id: UUID, name: str, scopes: tuple[str, ...], as_json: bool, **more: Any
) -> None:
    """Make an API key and print it, this once: it is kept nowhere."""
    if bool(scopes) == more["all_scopes"]:
        raise click.UsageError("give --scope once or more, or --all-scopes")
    expires: datetime | None = more["expires"]
    values = {
        "name": name,
        "scopes": list(SCOPES) if more["all_scopes"] else list(scopes),
        "expires_at": expires.replace(tzinfo=UTC) if expires else None,
        "max_ttl_seconds": more["max_ttl_seconds"],
        "endpoints": _endpoints(more["endpoints"]),
        # An option that was not given is no limit, not an empty list.
        **{limit: list(more[limit]) or None for limit in ("types", "redirect_urls", "recipient_domains")},
    }
    key = run_on_database(
        lambda connection: create_key(connection, app_id, key_settings(values, allow_http=allows_http()))
    )
    show(key, key["key"], as_json=as_json)


_LIMITS = ("types", "redirect_urls", "max_ttl_seconds", "recipient_domains", "endpoints")


@click.command("list", epilog=examples("keys list --app 01912d68-783e-7a03-8467-5661c1243ad4"))
@click.option("--app", "app_id", type=click.UUID, required=True, help="The app's id.")
@AS_JSON
def list_keys_command(*, app_id: UUID, as_json: bool) -> None:
    """List an app's keys: prefixes, scopes and limits, never a key."""

    async def read(connection: Connection) -> list[dict[str, Any]]:
        await find_app(connection, _EVERY_APP, app_id)
        return await _all_pages(lambda query: list_keys(connection, app_id, query))

    keys = run_on_database(read)
    show(keys, "\n".join(map(_key_line, keys)) or "the app has no key yet", as_json=as_json)


@click.command("revoke", epilog=examples("keys revoke 01912d68-783e-7a03-8467-5661c1243ad4"))
@click.argument("key_id", metavar="ID", type=click.UUID)
def revoke_key_command(key_id: UUID) -> None:
    """Revoke the API key ID."""
    row = run_on_database(lambda connection: connection.fetchrow(SQL.revoke_api_key_of_any_app, key_id))
    if row is None:
        raise click.ClickException(f"there is no key {key_id}: `magiclink keys list --app ID` shows them")
    # This command has no Redis to announce it by: what services have cached ages out.
    click.echo(f"key {row['prefix']} is revoked; services refuse it within 5 seconds")


def allows_http() -> bool:
    """Say whether URLs may be http: in dev."""
    # One variable decides about http everywhere: what the services allow, these commands allow.
    return load_settings(DatabaseSettings).environment == "dev"


async def _all_pages(read: Callable[[PageQuery], Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        found = await read(PageQuery(limit=200, cursor=cursor))
        items += found["items"]
        cursor = found["next_cursor"]
        if cursor is None:
            return items


def _key_line(key: dict[str, Any]) -> str:
    state = f"revoked {key['revoked_at']:%Y-%m-%d}" if key["revoked_at"] else "in use"
    if key["expires_at"] and not key["revoked_at"]:
        state = f"until {key['expires_at']:%Y-%m-%d %H:%M} UTC"
    limits = [f"{name}={_words(key[name])}" for name in _LIMITS if key[name] is not None]
    return "  ".join([str(key["id"]), key["prefix"], key["name"], f"({state})", *key["scopes"], *limits])


def _endpoints(texts: tuple[str, ...]) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for text in texts:
        method, space, path = text.partition(" ")
        if not space:
            raise click.UsageError(f"--endpoint {text!r}: give a method and a path, as in 'POST /api/login'")
        found.setdefault(path.strip(), []).append(method.upper())
    return found or None


def _words(limit: Any) -> str:
    if isinstance(limit, dict):
        return ",".join(f"{method} {path}" for path, methods in limit.items() for method in methods)
    return ",".join(limit) if isinstance(limit, list) else str(limit)
