"""`magiclink keys rotate|drop|status`, and the same under `keys signing`: rotation without a refused login."""

from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any

import click

from services.issuer.admin import run_on_pool
from services.operator import key_rotation, signing_rotation
from services.operator.key_files import FILE, PRINT, check_target, read_secret, write_secret
from services.operator.key_rotation import Need, RotationRefused
from services.verifier.signing_keys import SigningKeysInvalid, generate_signing_keys
from shared.clock import wall
from shared.command_line import AS_JSON, examples, show

_STEP = (
    click.option(
        "--stage", "step", flag_value="stage", help="Add a new key: it verifies, and does not sign yet."
    ),
    click.option("--activate", "step", flag_value="activate", help="Let the staged key sign."),
)
_FORCE = click.option("--force", is_flag=True, help="Do it although something still needs the key.")


def _told(error: RotationRefused | SigningKeysInvalid) -> click.ClickException:
    return click.ClickException(str(error))


@click.command(
    "rotate", epilog=examples("keys rotate --stage master.keys", "keys rotate --activate master.keys")
)
@FILE
@_STEP[0]
@_STEP[1]
@click.option("--kid", help="The key's id; default: the next one, or the staged one.")
@PRINT
def rotate_command(file: Path, step: str | None, kid: str | None, *, to_terminal: bool) -> None:
    """Rotate the master ring in FILE (default: from standard input to standard output), in two steps.

    First --stage; give every service its ring anew (`magiclink keys derive`) and replace the processes (SIGHUP with --workers,
    or a rolling restart). When all verify with the new key, --activate and do the same once more. The old key stays until
    `magiclink keys drop`.
    """
    check_target(file, to_terminal=to_terminal)
    ring = read_secret(file)
    try:
        match step:
            case "stage":
                ring, words = (
                    key_rotation.stage(ring, kid),
                    "verifies once rolled out; then: magiclink keys rotate --activate",
                )
            case "activate":
                ring, words = (
                    key_rotation.activate(ring, kid),
                    "signs once rolled out; the others still verify",
                )
            case _:
                raise click.UsageError("say --stage or --activate")
    except RotationRefused as refused:
        raise _told(refused) from None
    write_secret(file, ring)
    kids = key_rotation.kids_of(ring)
    click.echo(f"key {kids[-1] if step == 'stage' else kids[0]} {words}", err=True)


@click.command("drop", epilog=examples("keys drop 1 master.keys"))
@click.argument("kid")
@FILE
@_FORCE
@PRINT
def drop_command(kid: str, file: Path, *, force: bool, to_terminal: bool) -> None:
    """Take key KID out of the master ring in FILE, once the database (MAGICLINK_DATABASE_URL) needs it no more.

    A link keeps the key it was made with. Dropped too early, its URL and passcode are refused, a grant cannot be exchanged, and a repeated
    request is taken for another one (409 idempotency_conflict, or a dead letter). --force drops it all the same: for a key that leaked.
    """
    check_target(file, to_terminal=to_terminal)
    try:
        ring = key_rotation.drop(read_secret(file), kid)
    except RotationRefused as refused:
        raise _told(refused) from None
    if not force:
        need = run_on_pool(key_rotation.needs).get(kid)
        if need is not None:
            raise click.ClickException(
                f"key {kid} is needed {_until(need)}: {_needed_by(need)}\n--force drops it all the same"
            )
    write_secret(file, ring)
    click.echo(
        f"key {kid} is dropped once rolled out; links of it that had ended answer `link_invalid` from then on",
        err=True,
    )


@click.command("status", epilog=examples("keys status master.keys", "keys status --json < master.keys"))
@FILE
@AS_JSON
def status_command(file: Path, *, as_json: bool) -> None:
    """Show the key ids of the master ring in FILE: which signs, and what needs each (MAGICLINK_DATABASE_URL). Never a key."""
    kids = key_rotation.kids_of(read_secret(file))
    needs = run_on_pool(key_rotation.needs)
    staged = key_rotation.staged_kid(kids)
    rows, lines = [], []
    for kid in [*kids, *sorted(needs.keys() - set(kids))]:
        need = needs.get(kid, Need())
        role = (
            "signs"
            if kid == kids[0]
            else "staged"
            if kid == staged
            else "verifies"
            if kid in kids
            else "missing"
        )
        rows.append({"kid": kid, "role": role, **asdict(need)})
        until = f", {_until(need)}" if kid in needs else ""
        lines.append(f"{kid}  {role:<8}  {_needed_by(need)}{until}")
    show(rows, "\n".join(lines), as_json=as_json)


@click.group("signing", invoke_without_command=True)
@click.pass_context
def signing_group(context: click.Context) -> None:
    """Print new keys that the verifier signs JWTs with, for its MAGICLINK_SIGNING_KEYS; with a command, rotate such keys."""
    if context.invoked_subcommand is None:
        click.echo(generate_signing_keys())


@signing_group.command("rotate", epilog=examples("keys signing rotate --stage signing_keys.json"))
@FILE
@_STEP[0]
@_STEP[1]
@_FORCE
@PRINT
def signing_rotate_command(file: Path, step: str | None, *, force: bool, to_terminal: bool) -> None:
    """Rotate the signing keys in FILE (default: from standard input to standard output), in two steps.

    --stage publishes new keys, --activate lets them sign, once products have had the time to fetch them (5 minutes). Roll each step out
    to every verifier: SIGHUP with --workers, or a rolling restart.
    """
    check_target(file, to_terminal=to_terminal)
    try:
        keys = signing_rotation.read(read_secret(file))
        match step:
            case "stage":
                keys, words = (
                    signing_rotation.stage(keys, wall()),
                    "published once rolled out; 5 minutes later: --activate",
                )
            case "activate":
                keys, words = (
                    signing_rotation.activate(keys, wall(), force=force),
                    "signing once rolled out; the old ones stay published",
                )
            case _:
                raise click.UsageError("say --stage or --activate")
    except (RotationRefused, SigningKeysInvalid) as refused:
        raise _told(refused) from None
    write_secret(file, signing_rotation.write(keys))
    click.echo(f"new keys are {words}", err=True)


@signing_group.command("drop", epilog=examples("keys signing drop --retired signing_keys.json"))
@FILE
@click.option("--kid", "kids", multiple=True, help="The key's id. May be given again.")
@click.option("--retired", is_flag=True, help="Every key whose last JWT has ended.")
@_FORCE
@PRINT
def signing_drop_command(
    file: Path, kids: tuple[str, ...], *, retired: bool, force: bool, to_terminal: bool
) -> None:
    """Take keys out of FILE that signed before: ten minutes after their end, no JWT of them is about. Needs no database."""
    check_target(file, to_terminal=to_terminal)
    if bool(kids) == retired:
        raise click.UsageError("give --kid once or more, or --retired")
    try:
        keys = signing_rotation.read(read_secret(file))
        chosen = signing_rotation.droppable(keys, wall()) if retired else list(kids)
        keys = signing_rotation.drop(keys, chosen, wall(), force=force)
    except (RotationRefused, SigningKeysInvalid) as refused:
        raise _told(refused) from None
    write_secret(file, signing_rotation.write(keys))
    click.echo(f"{len(chosen)} keys are dropped once rolled out", err=True)


@signing_group.command("status", epilog=examples("keys signing status signing_keys.json"))
@FILE
@AS_JSON
def signing_status_command(file: Path, *, as_json: bool) -> None:
    """Show the signing keys in FILE: which sign, which are staged, which may be dropped. Never a key."""
    try:
        keys = signing_rotation.read(read_secret(file))
    except SigningKeysInvalid as invalid:
        raise _told(invalid) from None
    signing, droppable = signing_rotation.signing_kids(keys), signing_rotation.droppable(keys, wall())
    rows = [
        {"kid": key["kid"], "alg": key["alg"], "role": _signing_role(key, signing, droppable)} for key in keys
    ]
    show(
        rows, "\n".join(f"{row['alg']:<6}  {row['role']:<10}  {row['kid']}" for row in rows), as_json=as_json
    )


def _signing_role(key: dict[str, Any], signing: set[str], droppable: list[str]) -> str:
    if key["kid"] in signing:
        return "signs"
    if signing_rotation.STAGED in key:
        return "staged"
    return "droppable" if key["kid"] in droppable else "published"


def _needed_by(need: Need) -> str:
    return (
        f"{need.live:,} live links, {need.scheduled:,} scheduled, {need.exchangeable:,} exchangeable, "
        f"{need.replays:,} requests that may be repeated, {need.sessions:,} sessions, {need.challenges:,} challenges, "
        f"{need.trusted_devices:,} trusted devices, {need.second_factors:,} second factors, {need.webhooks:,} webhooks"
    )


def _until(need: Need) -> str:
    if need.until is None:
        return "for good"
    return f"until {need.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
