"""The program `magiclink`. Each command loads what it needs when it runs, so that none pays for another."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr, field_validator

from shared.keys import MASTER, SERVICE_PURPOSES, KeyRing, KeyRingInvalid, derive_ring, new_master
from shared.settings import PREFIX, PrefixedSettings, SettingsProblem, load_settings


class LazyGroup(click.Group):
    """A group whose commands are named as `module:attribute` and imported when they are called (or listed by --help)."""

    def __init__(self, *args: Any, lazy: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


class MasterSettings(PrefixedSettings):
    """What `keys derive` needs."""

    master_keys: SecretStr

    @field_validator("master_keys")
    @classmethod
    def _ring(cls, value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value(), [MASTER])
        return value


@click.group(context_settings={"max_content_width": 110})
def cli() -> None:
    """Self-hosted one-time sign-in links: issued, delivered by e-mail, SMS or WhatsApp, verified exactly once."""


def _service(name: str, what: str) -> None:
    def run() -> None:
        sys.exit(import_module(f"services.{name}.main").main())

    cli.command(name, help=f"{what} Settings come from {PREFIX}… (each also as …_FILE).")(run)


_service("issuer", "Run the issuer: makes links over HTTP and from Kafka, and relays the outbox.")
_service("verifier", "Run the verifier: the pages that links lead to, and their redemption.")
_service("notifier", "Run the notifier: sends messages by e-mail, SMS and WhatsApp.")


@cli.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".magiclink"),
    show_default=True,
    help="Where data, logs and secrets of the development cluster are kept.",
)
@click.option("--no-demo", is_flag=True, help="Start the cluster and leave the demo out.")
def dev(data_dir: Path, *, no_demo: bool) -> None:
    """Run the whole cluster on this machine, with a caught-mail inbox, until Ctrl-C."""
    launcher = import_module("services.dev.launcher")
    sys.exit(launcher.run(launcher.Options(data_dir=data_dir, with_demo=not no_demo)))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema.

    MAGICLINK_DATABASE_DIRECT_URL, or without it MAGICLINK_DATABASE_URL, is that of an owner who may create roles.
    """
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - Alembic's, which no service needs

    url = import_module("services.issuer.admin").database_url(direct=True)
    try:
        revision = import_module("shared.sql.migrate").migrate(url)
    except DBAPIError as error:
        # The driver's words name hosts and roles, never a password; the statement would fill the screen.
        words = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise click.ClickException(f"the database could not be migrated: {words[0]}") from None
    click.echo(f"the schema is at revision {revision}")


_APPS = {
    "create": "services.issuer.admin:create_app_command",
    "list": "services.issuer.admin:list_apps_command",
}
_KEYS = {
    "create": "services.issuer.admin:create_key_command",
    "list": "services.issuer.admin:list_keys_command",
    "revoke": "services.issuer.admin:revoke_key_command",
}


@cli.group(cls=LazyGroup, lazy=_APPS)
def apps() -> None:
    """Make and list apps. Needs MAGICLINK_DATABASE_URL; MAGICLINK_ENVIRONMENT=dev allows http URLs."""


@cli.group(cls=LazyGroup, lazy=_KEYS)
def keys() -> None:
    """Make, list and revoke API keys (MAGICLINK_DATABASE_URL); make the keys that services sign with."""


@keys.command()
@click.option(
    "--kid", default="1", show_default=True, help="The key's id: one letter or digit, new at each rotation."
)
def master(kid: str) -> None:
    """Print a new master key ring. Keep it offline; services get what `keys derive` makes of it."""
    ring = new_master(kid)
    KeyRing.parse(ring, [MASTER])
    click.echo(ring)


@keys.command()
@click.argument("service", type=click.Choice(sorted(SERVICE_PURPOSES)))
def derive(service: str) -> None:
    """Print the key ring of SERVICE, for its MAGICLINK_KEYS, from the master ring in MAGICLINK_MASTER_KEYS."""
    settings = load_settings(MasterSettings)
    click.echo(derive_ring(settings.master_keys.get_secret_value(), service))


@keys.command()
def signing() -> None:
    """Print new keys that the verifier signs JWTs with, for its MAGICLINK_SIGNING_KEYS."""
    click.echo(import_module("services.verifier.signing_keys").generate_signing_keys())


def main() -> None:
    """Run the program. Mistakes of an operator get their lines and exit status 2, never a traceback."""
    try:
        cli()
    except SettingsProblem as problem:
        sys.exit(_complain(str(problem)))
    except KeyRingInvalid as invalid:
        sys.exit(_complain(f"the key ring is not valid: {invalid}"))


def _complain(text: str) -> int:
    click.echo(f"magiclink: {text}", err=True)
    return 2


if __name__ == "__main__":
    main()
