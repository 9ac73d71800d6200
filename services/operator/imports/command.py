"""`magiclink import`: reads an export, takes its users in, and reports whom it refused and why."""

import asyncio
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import click
import orjson

from services.issuer.admin import run_on_pool
from services.operator.imports.files import UnreadableFile, fingerprint, read_records
from services.operator.imports.import_users import BATCH, Outcome, find_app, import_batch
from services.operator.imports.trial import Trial
from services.operator.imports.vendors import MAPPINGS
from shared.command_line import AS_JSON, examples, progress, show
from shared.database import Pool


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported, and how."""

    source: str
    path: Path
    app_id: UUID
    report: Path
    dry_run: bool
    quiet: bool

    @property
    def bookmark(self) -> Path:
        """Where an import that was broken off says how far it came."""
        return self.report.with_name(self.report.name + ".progress")


@click.command(
    "import",
    epilog=examples("import stytch users.json --app APP_ID --dry-run", "import csv users.csv --app APP_ID"),
)
@click.argument("source", type=click.Choice(sorted(MAPPINGS)))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--app", "app_id", type=click.UUID, required=True, help="The app that gets the users.")
@click.option("--dry-run", is_flag=True, help="Find out what would happen, and keep nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON lines of whom was refused and why; default: FILE.report.jsonl.",
)
@click.option(
    "--restart", is_flag=True, help="Begin at the first record, though an earlier run came further."
)
@AS_JSON
def import_command(
    *, source: str, file: Path, app_id: UUID, report: Path | None, as_json: bool, **flags: bool
) -> None:
    """Import the users of FILE, an export of SOURCE: JSON, JSON lines, or CSV. Needs MAGICLINK_DATABASE_URL.

    Whoever was imported before is left as they are, so it may be run again; a run that was broken off goes on where it was.
    No messages are sent. Exit status 1 when users were refused.
    """
    order = Order(
        source, file, app_id, report or file.with_name(file.name + ".report.jsonl"), flags["dry_run"], as_json
    )
    if flags["restart"]:
        order.bookmark.unlink(missing_ok=True)
    try:
        counts = run_on_pool(lambda pool: _import(pool, order))
    except UnreadableFile as unreadable:
        raise click.ClickException(f"{file}: {unreadable}") from None
    show(counts, _summary(counts, order), as_json=as_json)
    if counts["refused"]:
        raise SystemExit(1)


async def _import(pool: Pool, order: Order) -> dict[str, Any]:
    app = await find_app(pool, order.app_id)
    if app is None:
        raise click.ClickException(f"no app {order.app_id}: `magiclink apps list` shows them")
    total, known_by = (
        await asyncio.to_thread(_count, order.path),
        await asyncio.to_thread(fingerprint, order.path),
    )
    done = 0 if order.dry_run else _bookmarked(order, known_by)
    counts: dict[str, Any] = {"records": total, "skipped": done, "made": 0, "present": 0, "refused": 0}
    trial = Trial() if order.dry_run else None
    records = islice(enumerate(read_records(order.path), start=1), done, None)
    with (
        order.report.open("a" if done else "w", encoding="utf-8") as report,
        progress("importing", total - done, quiet=order.quiet) as advance,
    ):
        while batch := list(islice(records, BATCH)):
            for outcome in await import_batch(pool, app, batch, MAPPINGS[order.source], trial):
                counts[outcome.fate] += 1
                _report(report, outcome)
            report.flush()
            if not order.dry_run:
                _bookmark(order, known_by, batch[-1][0])
            advance(len(batch))
    order.bookmark.unlink(missing_ok=True)
    return counts


def _count(path: Path) -> int:
    return sum(1 for _ in read_records(path))


def _report(report: TextIO, outcome: Outcome) -> None:
    """Write down who was refused or came in part: by number and id, never by address."""
    if outcome.problems or outcome.left_out:
        line = {**asdict(outcome), "problems": [asdict(problem) for problem in outcome.problems]}
        report.write(orjson.dumps(line).decode() + "\n")


def _bookmarked(order: Order, known_by: str) -> int:
    """Return how many records an earlier run of this file into this app has done."""
    try:
        kept = orjson.loads(order.bookmark.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return 0
    is_same = kept.get("sha256") == known_by and kept.get("app_id") == str(order.app_id)
    return int(kept["done"]) if is_same else 0


def _bookmark(order: Order, known_by: str, done: int) -> None:
    # Whole or not at all: a broken bookmark would only cost time, for what was done is found to be present.
    whole = order.bookmark.with_suffix(".new")
    whole.write_bytes(orjson.dumps({"sha256": known_by, "app_id": str(order.app_id), "done": done}))
    whole.replace(order.bookmark)


def _summary(counts: dict[str, Any], order: Order) -> str:
    would = "would be " if order.dry_run else ""
    lines = [
        f"{counts['records']} users in {order.path}",
        *([f"  {counts['skipped']:>8} done by an earlier run"] if counts["skipped"] else []),
        f"  {counts['made']:>8} {would}imported",
        f"  {counts['present']:>8} were there already",
        f"  {counts['refused']:>8} {would}refused",
    ]
    return "\n".join([*lines, f"why, and what was left out of others: {order.report}"])
