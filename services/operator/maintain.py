"""`magiclink maintain`: what the issuer's sweeper does every five minutes, at once and with a report."""

from dataclasses import asdict

import click

from services.issuer.admin import DatabaseSettings, run_on_pool
from services.issuer.housekeeping import Housekeeping, Keeping, Kept
from services.issuer.settings import EVENT_RETENTION_DAYS, RETENTION_DAYS
from shared.command_line import AS_JSON, examples, show
from shared.settings import load_settings


class MaintainSettings(DatabaseSettings):
    """The database, and for how long things are kept: give the issuer's values."""

    retention_days: int = RETENTION_DAYS
    event_retention_days: int = EVENT_RETENTION_DAYS


@click.command("maintain", epilog=examples("maintain --dry-run", "maintain --retention-days 120 --json"))
@click.option(
    "--retention-days", type=click.IntRange(61, 3650),
    help="Keep links and messages so long; default: MAGICLINK_RETENTION_DAYS (100).",
)  # fmt: skip
@click.option(
    "--weeks-ahead",
    type=click.IntRange(1, 104),
    default=8,
    show_default=True,
    help="Make the partitions of so many weeks.",
)
@click.option("--dry-run", is_flag=True, help="Only say which partitions would be made and dropped.")
@AS_JSON
def maintain_command(*, retention_days: int | None, weeks_ahead: int, dry_run: bool, as_json: bool) -> None:
    """Make the partitions of the weeks to come, and drop what is past its time.

    The issuer does the same by itself. Nothing waits for it: rows go in small steps, and a partition's lock is had within 100 ms or tried for
    again. Needs MAGICLINK_DATABASE_URL of the issuer's role or the owner. Exit status 3: the lock of a partition was not to be had.
    """
    settings = load_settings(MaintainSettings)
    days = max(retention_days or settings.retention_days, settings.event_retention_days)
    keeping = Keeping(days, weeks_ahead)
    kept = run_on_pool(
        lambda pool: Housekeeping(pool, keeping).look() if dry_run else Housekeeping(pool, keeping).run()
    )
    show(
        {"dry_run": dry_run, "retention_days": days, **asdict(kept)},
        _report(kept, dry_run=dry_run),
        as_json=as_json,
    )
    if kept.busy:
        click.get_current_context().exit(3)


def _report(kept: Kept, *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    lines = [f"{would}made     {name}" for name in kept.made]
    lines += [
        f"{would}dropped  {old.name}  about {old.rows:,} links, {old.bytes / 1e6:,.0f} MB"
        for old in kept.dropped
    ]
    lines += [f"kept     {name}: a link of it lives" for name in kept.alive]
    lines += [f"busy     {name}: its lock was not to be had; run this again" for name in kept.busy]
    lines += [f"deleted  {count:,} rows of {table}" for table, count in kept.deleted.items() if count]
    if kept.stray_links:
        lines.append(
            f"look at magiclink.links_default: {kept.stray_links:,} links lie outside every partition"
        )
    return "\n".join(lines) or "nothing to do"
