"""The program `magiclink`. Each command loads what it needs when it runs, so that none pays for another."""

import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from services.operator.key_files import MasterSettings, read_secret
from services.operator.program_version import program_version
from shared.command_line import AS_JSON, examples, show
from shared.keys import MASTER, SERVICE_PURPOSES, KeyRing, KeyRingInvalid, derive_ring, new_master
from shared.settings import PREFIX, HttpSettings, SettingsProblem, load_settings
from shared.worker import VARIABLE


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


_TOP = {
    "check": "services.operator.service_check:check_command",
    "import": "services.operator.imports.command:import_command",
    "maintain": "services.operator.maintain:maintain_command",
}


@click.group(cls=LazyGroup, lazy=_TOP, context_settings={"max_content_width": 110})
@click.version_option(program_version(), prog_name="magiclink")
def cli() -> None:
    """Self-hosted one-time sign-in links: issued, delivered by e-mail, SMS or WhatsApp, verified exactly once."""


def _service(name: str, what: str) -> None:
    @cli.command(
        name,
        help=f"{what} Settings come from {PREFIX}… (each also as …_FILE): `magiclink settings {name}`.",
        epilog=examples(name, f"{name} --workers 4"),
    )
    @click.option(
        "--workers", type=click.IntRange(1, 64), envvar=f"{PREFIX}WORKERS", show_envvar=True,
        help="Run so many processes under a parent, which replaces them one by one on SIGHUP. Without it: one process.",
    )  # fmt: skip
    def run(workers: int | None) -> None:
        if workers is None or VARIABLE in os.environ:
            sys.exit(import_module(f"services.{name}.main").main())
        settings = load_settings(_settings_class(name))
        argv = [sys.executable, "-m", "services.cli", name]
        sys.exit(import_module("shared.workers").run_workers(name, settings, argv, workers))


def _settings_class(name: str) -> type[HttpSettings]:
    module = import_module(f"services.{name}.settings")
    found: type[HttpSettings] = getattr(module, f"{name.capitalize()}Settings")
    return found


_service("issuer", "Run the issuer: makes links over HTTP and from Kafka, and relays the outbox.")
_service("verifier", "Run the verifier: the pages that links lead to, and their redemption.")
_service("notifier", "Run the notifier: sends messages by e-mail, SMS and WhatsApp.")
_service("compat", "Run compat: Stytch, WorkOS, Passage and FusionAuth as their SDKs know them.")


@cli.command(epilog=examples("dev", "dev --workers 2 --no-demo"))
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".magiclink"),
    show_default=True,
    help="Where data, logs and secrets of the development cluster are kept.",
)
@click.option("--no-demo", is_flag=True, help="Start the cluster and leave the demo out.")
@click.option("--workers", type=click.IntRange(1, 64), help="So many processes of each service.")
def dev(data_dir: Path, workers: int | None, *, no_demo: bool) -> None:
    """Run the whole cluster on this machine, with a caught-mail inbox, until Ctrl-C."""
    launcher = import_module("services.dev.launcher")
    sys.exit(launcher.run(launcher.Options(data_dir=data_dir, with_demo=not no_demo, workers=workers)))


@cli.command(epilog=examples("migrate"))
@AS_JSON
def migrate(*, as_json: bool) -> None:
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
    show({"revision": revision}, f"the schema is at revision {revision}", as_json=as_json)


@cli.command(epilog=examples("version --json"))
@AS_JSON
def version(*, as_json: bool) -> None:
    """Print the version of the program and of the schema that it needs."""
    facts = {
        "version": program_version(),
        "schema": import_module("shared.sql.migrate").newest_revision(),
        "python": ".".join(map(str, sys.version_info[:3])),
    }
    show(facts, "\n".join(f"{name:<8} {fact}" for name, fact in facts.items()), as_json=as_json)


@cli.command(epilog=examples("settings issuer", "settings --markdown > configuration.md"))
@click.argument("names", metavar="[SERVICE]...", nargs=-1)
@click.option("--markdown", is_flag=True, help="Print tables for a document.")
@AS_JSON
def settings(names: tuple[str, ...], *, markdown: bool, as_json: bool) -> None:
    """Print every setting with its type, its default and what it does: of SERVICE, of a command, or of all."""
    reference = import_module("services.operator.settings_reference")
    wanted = names or tuple(reference.MODELS)
    unknown = [name for name in wanted if name not in reference.MODELS]
    if unknown:
        raise click.UsageError(f"{', '.join(unknown)}: there are settings of {', '.join(reference.MODELS)}")
    if markdown:
        click.echo(reference.markdown(wanted))
        return
    found = {name: [asdict(setting) for setting in reference.settings_of(name)] for name in wanted}
    show(found, reference.text(wanted), as_json=as_json)


_APPS = {
    "create": "services.issuer.admin:create_app_command",
    "list": "services.issuer.admin:list_apps_command",
}
_KEYS = {
    "create": "services.issuer.admin:create_key_command",
    "list": "services.issuer.admin:list_keys_command",
    "revoke": "services.issuer.admin:revoke_key_command",
    "rotate": "services.operator.key_commands:rotate_command",
    "drop": "services.operator.key_commands:drop_command",
    "status": "services.operator.key_commands:status_command",
    "signing": "services.operator.key_commands:signing_group",
}
_DLQ = {name: f"services.operator.dlq:{name}_command" for name in ("list", "show", "replay", "drop")}


@cli.group(cls=LazyGroup, lazy=_DLQ)
def dlq() -> None:
    """Look at, replay and drop dead letters: records that could not be handled. Needs MAGICLINK_DATABASE_URL."""


_TEMPLATE = {name: f"services.notifier.template_cli:{name}_command" for name in ("preview", "lint")}


@cli.group(cls=LazyGroup, lazy=_TEMPLATE)
def template() -> None:
    """Look at messages before anybody gets them, and check the folders of templates."""


@cli.group(cls=LazyGroup, lazy=_APPS)
def apps() -> None:
    """Make and list apps. Needs MAGICLINK_DATABASE_URL; MAGICLINK_ENVIRONMENT=dev allows http URLs."""


_VENDORS = {
    "add": "services.operator.vendor_command:add_command",
    "compat-key": "services.operator.vendor_command:compat_key_command",
}


@cli.group(cls=LazyGroup, lazy=_VENDORS)
def vendors() -> None:
    """Make apps that answer as Stytch's, WorkOS's, Passage's or FusionAuth's. Needs MAGICLINK_DATABASE_URL."""


@cli.group(cls=LazyGroup, lazy=_KEYS)
def keys() -> None:
    """Make, list and revoke API keys (MAGICLINK_DATABASE_URL); make and rotate the keys that services sign with."""


@keys.command(epilog=examples("keys master > master.keys"))
@click.option("--kid", default="1", show_default=True, help="The key's id: one letter or digit.")
def master(kid: str) -> None:
    """Print a new master key ring. Keep it offline; services get what `keys derive` makes of it."""
    ring = new_master(kid)
    KeyRing.parse(ring, [MASTER])
    click.echo(ring)


@keys.command(epilog=examples("keys derive issuer --master master.keys > issuer.keys"))
@click.argument("service", type=click.Choice(sorted(SERVICE_PURPOSES)))
@click.option(
    "--master", "file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File of the master ring; default: MAGICLINK_MASTER_KEYS.",
)  # fmt: skip
def derive(service: str, file: Path | None) -> None:
    """Print the key ring of SERVICE, for its MAGICLINK_KEYS, from the master ring."""
    ring = read_secret(file) if file else load_settings(MasterSettings).master_keys.get_secret_value()
    click.echo(derive_ring(ring, service))


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
