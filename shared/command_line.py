"""How the operator's commands print: JSON for programs, lines for people, a bar for long work, and one question before harm."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from shared.clock import wall

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
YES = click.option("--yes", is_flag=True, help="Do not ask first.")

# Below this the work is done before anybody could read a bar.
_MANY = 500
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType[datetime, Any]):
    """A time ago (`30m`, `2h`, `7d`) or a date and time, in UTC unless it says otherwise."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment. Fails with the rule it breaks."""
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(value)
        if ago:
            return datetime.fromtimestamp(wall(), UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a time ago such as 30m, 2h or 7d nor a date such as 2026-01-31T12:00",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def examples(*lines: str) -> str:
    """Return the end of a command's help: how it is called."""
    title = "Example" if len(lines) == 1 else "Examples"
    return "\n".join(["\b", f"{title}:", *(f"  magiclink {line}" for line in lines)])


def printable(text: str) -> str:
    """Replace control characters: whoever wrote a record chose its texts, and none of them shall steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def show(value: Any, text: str, *, as_json: bool) -> None:
    """Print `value` as JSON, or else the text."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False) if as_json else text)


def ask_first(question: str, *, yes: bool) -> None:
    """Ask unless told not to. Without a terminal to ask on, `--yes` must be given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: say --yes")
    click.confirm(question, abort=True, err=True)


@contextmanager
def progress(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show a bar on standard error for many things, and none where nobody looks. Gives what to call with each number done."""
    if quiet or total < _MANY or not sys.stderr.isatty():
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
