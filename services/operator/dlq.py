"""`magiclink dlq`: dead letters at the command line, with the database URL of its owner."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import click
import orjson

from services.issuer.admin import run_on_pool
from services.operator import dead_letters
from services.operator.dead_letters import Filter, Replayed
from shared.command_line import AS_JSON, YES, Moment, ask_first, examples, printable, progress, show

_ID = "01912d68-783e-7a03-8467-5661c1243ad4"
_IDS = click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
_ALL = click.option("--all", "every", is_flag=True, help="Every dead letter that the filters let through.")


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest."),
        click.option(
            "--since", type=Moment(), help="Put aside since: 30m, 2h, 7d, or a date and time in UTC."
        ),
        click.option("--reason", metavar="TEXT", help="With this text in the reason."),
        click.option("--topic", help="Of this topic, the one the record came on."),
    ):
        command = option(command)
    return command


@click.command("list", epilog=examples("dlq list --topic magiclink.link-requests --since 2h"))
@_filters
@click.option("--waiting", is_flag=True, help="Only those that were not replayed.")
@AS_JSON
def list_command(*, as_json: bool, waiting: bool, limit: int | None, **filters: Any) -> None:
    """List dead letters, newest first: never their values, which may hold addresses."""
    wanted = Filter(**filters, limit=limit or 50, replayed_too=not waiting)
    found = run_on_pool(lambda pool: dead_letters.find(pool, wanted))
    lines = "\n".join(map(_line, found)) or "no dead letters"
    if limit is None and len(found) == wanted.limit:
        lines += f"\n(the newest {wanted.limit}; --limit shows more)"
    show(found, lines, as_json=as_json)


@click.command("show", epilog=examples(f"dlq show {_ID}"))
@click.argument("ids", metavar="ID...", nargs=-1, type=click.UUID, required=True)
@AS_JSON
def show_command(*, ids: tuple[UUID, ...], as_json: bool) -> None:
    """Print dead letters whole. A value may hold a recipient's address: mind who sees it."""
    found = [_readable(row) for row in run_on_pool(lambda pool: dead_letters.show(pool, ids))]
    _must_all_exist(ids, {row["id"] for row in found})
    show(found, "\n\n".join(map(_page, found)), as_json=as_json)


@click.command(
    "replay", epilog=examples(f"dlq replay {_ID}", "dlq replay --all --reason 'intake is off' --since 1d")
)
@_IDS
@_ALL
@_filters
@click.option("--again", is_flag=True, help="Also those that were replayed before.")
@YES
@AS_JSON
def replay_command(*, ids: tuple[UUID, ...], again: bool, yes: bool, as_json: bool, **filters: Any) -> None:
    """Put records back onto the topic they came on, as they came. Mend the reason first.

    An event keeps its id: what was handled already is not handled twice. What is refused again becomes a new dead letter.
    """
    chosen = _choose(ids, filters, replayed_too=again)
    if not ids:
        ask_first(f"Replay {_count(chosen)}?", yes=yes)
    with progress("replaying", len(chosen), quiet=as_json) as tick:
        done = run_on_pool(lambda pool: dead_letters.replay(pool, chosen, again=again, tick=tick))
    show(
        _summary(done),
        f"{_count(done.replayed)} put back; the issuer's relay sends them now",
        as_json=as_json,
    )
    _complain(done)


@click.command("drop", epilog=examples("dlq drop --all --topic magiclink.deliveries.bulk --since 7d"))
@_IDS
@_ALL
@_filters
@YES
@AS_JSON
def drop_command(*, ids: tuple[UUID, ...], yes: bool, as_json: bool, **filters: Any) -> None:
    """Delete dead letters for good. The copies on the `.dlq` topics stay."""
    chosen = _choose(ids, filters, replayed_too=True)
    ask_first(f"Delete {_count(chosen)} for good?", yes=yes)
    with progress("dropping", len(chosen), quiet=as_json) as tick:
        dropped = run_on_pool(lambda pool: dead_letters.drop(pool, chosen, tick))
    show({"dropped": dropped}, f"{_count(dropped)} deleted", as_json=as_json)
    _must_all_exist(ids, set(dropped))


def _choose(ids: tuple[UUID, ...], filters: dict[str, Any], *, replayed_too: bool) -> list[UUID]:
    every = filters.pop("every")
    if bool(ids) == every or (ids and any(one is not None for one in filters.values())):
        raise click.UsageError("give ids, or --all with filters or without: one of the two")
    if ids:
        return list(ids)
    wanted = Filter(**filters, replayed_too=replayed_too)
    return [row["id"] for row in run_on_pool(lambda pool: dead_letters.find(pool, wanted))]


def _complain(done: Replayed) -> None:
    lines = [f"{id_}: was replayed before; --again replays it once more" for id_ in done.already]
    lines += [f"{id_}: the record has no value, so there is nothing to replay" for id_ in done.empty]
    lines += [_unknown(id_) for id_ in done.missing]
    if lines:
        raise click.ClickException("\n".join(lines))


def _must_all_exist(asked: tuple[UUID, ...], found: set[UUID]) -> None:
    missing = [_unknown(id_) for id_ in asked if id_ not in found]
    if missing:
        raise click.ClickException("\n".join(missing))


def _unknown(id_: UUID) -> str:
    return f"{id_}: there is no such dead letter; `magiclink dlq list` shows them"


def _summary(done: Replayed) -> dict[str, list[UUID]]:
    return {
        "replayed": done.replayed,
        "replayed_before": done.already,
        "empty": done.empty,
        "missing": done.missing,
    }


def _count(ids: list[UUID]) -> str:
    return f"{len(ids):,} dead letter{'' if len(ids) == 1 else 's'}"


def _line(row: dict[str, Any]) -> str:
    place = f"{row['topic']}/{row['partition']}@{row['offset']}"
    replayed = f"  (replayed {_minute(row['replayed_at'])})" if row["replayed_at"] else ""
    return f"{row['id']}  {_minute(row['created_at'])}  {place}  {printable(row['reason'])}{replayed}"


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Return the letter with key and value as text, and a JSON value as JSON."""
    value: Any = None if row["value"] is None else row["value"].decode("utf-8", "backslashreplace")
    # Not being JSON may be why it lies here.
    with suppress(orjson.JSONDecodeError):
        value = orjson.loads(row["value"] or b"")
    key = None if row["key"] is None else row["key"].decode("utf-8", "backslashreplace")
    return {**row, "key": key, "value": value}


def _page(row: dict[str, Any]) -> str:
    value = row["value"]
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    facts = {
        "id": row["id"], "topic": row["topic"], "partition": row["partition"], "offset": row["offset"], "key": row["key"],
        "put aside": _minute(row["created_at"]), "replayed": _minute(row["replayed_at"]), "reason": row["reason"],
    }  # fmt: skip
    lines = [f"{name:<10} {printable(str(fact))}" for name, fact in facts.items() if fact is not None]
    lines += ["headers", *(f"  {name}: {printable(header)}" for name, header in row["headers"].items())]
    return "\n".join([*lines, "value", *map(printable, (text or "(none)").splitlines())])


def _minute(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else None
