"""Where the key commands read and write: a file, in place, or standard input and output. Never a terminal, unless asked."""

import sys
from pathlib import Path

import click
from pydantic import Field, SecretStr, field_validator

from services.dev.private_files import write_private
from shared.keys import MASTER, KeyRing
from shared.settings import PrefixedSettings


class MasterSettings(PrefixedSettings):
    """What `keys derive` needs."""

    master_keys: SecretStr = Field(
        description="The master key ring, from `magiclink keys master`. Keep it offline."
    )

    @field_validator("master_keys")
    @classmethod
    def _ring(cls, value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value(), [MASTER])
        return value


FILE = click.argument("file", default="-", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
PRINT = click.option("--print", "to_terminal", is_flag=True, help="Write secrets to a terminal all the same.")


def read_secret(file: Path) -> str:
    """Return the text of a file, or of standard input for `-`."""
    if str(file) == "-":
        if sys.stdin.isatty():
            raise click.UsageError("name a FILE, or give the keys on standard input")
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(
            f"{file} cannot be read: {getattr(error, 'strerror', 'it is no UTF-8 text')}"
        ) from None


def check_target(file: Path, *, to_terminal: bool) -> None:
    """Refuse to show secrets on a terminal. Call before the work."""
    if str(file) == "-" and sys.stdout.isatty() and not to_terminal:
        raise click.UsageError("this writes secrets: name a FILE, redirect the output, or say --print")


def write_secret(file: Path, text: str) -> None:
    """Replace the file whole, keeping its mode and owner, or write to standard output for `-`."""
    if str(file) == "-":
        click.echo(text)
        return
    try:
        # The file itself, not a link to it: services read the target.
        write_private(file.resolve(), text + "\n", like=file.stat())
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
