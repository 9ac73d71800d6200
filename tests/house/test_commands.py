"""Every command has help, an example that begins as one calls it, and `--json` where it prints data."""

from collections.abc import Iterator

import click
import pytest

from services.cli import cli

# What these print goes into a file, a log or a running program, or is one line of a person's own doing.
_NO_DATA = {
    "compat", "dev", "issuer", "notifier", "verifier", "keys master", "keys derive", "keys revoke", "keys rotate", "keys drop",
    "keys signing rotate", "keys signing drop", "template preview", "template lint",
}  # fmt: skip


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that is no group, by what one types."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        typed = f"{path} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, typed)
        else:
            yield typed, command


COMMANDS = dict(commands(cli))


def lacks(typed: str, command: click.Command) -> list[str]:
    found = []
    if not command.help:
        found.append("help")
    if f"magiclink {typed}" not in (command.epilog or ""):
        found.append("example")
    if typed not in _NO_DATA and not any("--json" in parameter.opts for parameter in command.params):
        found.append("--json")
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return found + [f"help of {option.name}" for option in options if not option.help]


@pytest.mark.parametrize("typed", COMMANDS)
def test_a_command_explains_itself(typed: str) -> None:
    assert lacks(typed, COMMANDS[typed]) == []


def test_the_list_of_exceptions_is_of_today() -> None:
    assert COMMANDS.keys() >= _NO_DATA


def test_a_planted_mute_command_is_found() -> None:
    mute = click.Command("list", params=[click.Option(["--x"])])
    assert lacks("planted list", mute) == ["help", "example", "--json", "help of x"]
