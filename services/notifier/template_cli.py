"""`magiclink template preview|lint`: messages looked at before anybody gets them."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from services.notifier.content import Brand, CannotRender, Content
from services.notifier.findings import Finding
from services.notifier.lint import lint
from services.notifier.render import BUILT_IN, Templates
from services.notifier.segments import measure_sms
from services.notifier.settings import TemplateSettings
from services.notifier.template_check import sample_context
from services.notifier.variables import variables_of
from shared.command_line import AS_JSON, examples
from shared.settings import load_settings

_PARTS = ("subject", "text", "html", "sms", "whatsapp")
_FOLDERS = click.option(
    "--folder",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A root folder of own templates, before the built-in one; default: MAGICLINK_TEMPLATE_FOLDERS.",
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `preview` was asked for."""

    name: str
    locale: str
    app_id: str | None
    brand: Brand
    bare: bool


def _templates(folders: tuple[Path, ...]) -> Templates:
    settings = load_settings(TemplateSettings)
    return Templates([*(folders or settings.folders), BUILT_IN], settings.whatsapp_content_sids)


def _branding(_: click.Context, __: click.Parameter, value: str | None) -> Mapping[str, Any]:
    try:
        given = json.loads(value) if value is not None else {}
    except ValueError:
        raise click.BadParameter('is not JSON, such as {"product_name": "Acme"}') from None
    known = {"product_name", "colour", "support_url", "logo_url", "footer"}
    if not isinstance(given, dict) or given.keys() - known:
        raise click.BadParameter(f"must be an object with some of {', '.join(sorted(known))}")
    return given


@click.command(name="preview", epilog=examples("template preview login --locale de"))
@click.argument("name")
@click.option("--locale", default="en", show_default=True, help="The language asked for.")
@click.option("--app", "app_id", help="Use the own templates of the app with this id.")
@click.option(
    "--branding",
    callback=_branding,
    help='The branding, as JSON: {"product_name": "Acme", "colour": "#0a7d4b"}.',
)
@click.option("--part", type=click.Choice(_PARTS), help="Only this part.")
@click.option("--bare", is_flag=True, help="A message without passcode, asker and branding.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@_FOLDERS
@AS_JSON
def preview_command(
    *, name: str, locale: str, app_id: str | None, branding: Mapping[str, Any], bare: bool, **how: Any
) -> None:
    """Show the message NAME (login, verify_identifier, invite, or a template of one's own) with made-up values."""
    brand = Brand.of("Example", branding, None)
    templates = _templates(how["folders"])
    preview = _preview(templates, _Wanted(name, locale, app_id, brand, bare))
    part = how["part"]
    if how["as_json"]:
        shown = json.dumps({part: preview[part]} if part else preview, ensure_ascii=False, indent=2)
    else:
        shown = preview[part] if part else _page(preview)
    _write(shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, indent=2), how["out"])


def _preview(templates: Templates, wanted: _Wanted) -> dict[str, Any]:
    found = templates.find(wanted.name, wanted.locale, wanted.app_id)
    if found is None:
        raise click.ClickException(
            f"there is no template {wanted.name!r}: there are {', '.join(templates.available())}"
        )
    context = sample_context(full=not wanted.bare, brand=wanted.brand, name=wanted.name)
    try:
        content = found.render(variables_of(context, found.locale, wanted.locale))
    except CannotRender as error:
        raise click.ClickException(str(error)) from None
    return {"template": found.place, "locale": found.locale, **_parts(content)}


def _parts(content: Content) -> dict[str, Any]:
    return {
        "subject": content.subject,
        "text": content.text,
        "html": content.html,
        "sms": content.sms,
        "sms_size": asdict(measure_sms(content.sms)),
        "whatsapp": asdict(content.whatsapp),
    }


def _page(preview: dict[str, Any]) -> str:
    size = preview["sms_size"]
    segments = "1 segment" if size["segments"] == 1 else f"{size['segments']} segments"
    whatsapp = preview["whatsapp"]
    variables = "\n".join(f"{number}: {text}" for number, text in whatsapp["variables"].items())
    blocks = {
        f"template {preview['template']}": "",
        "subject": preview["subject"],
        "text": preview["text"],
        f"sms ({size['units']} units of {size['encoding']}, {segments})": preview["sms"],
        f"whatsapp (content SID {whatsapp['content_sid'] or 'not configured'})": f"{variables}\n\n{whatsapp['body']}",
        "html": "--part html --out FILE writes it",
    }
    return "\n\n".join(f"== {title}\n{body}".strip() for title, body in blocks.items())


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from None
    click.echo(f"written to {out}", err=True)


@click.command(name="lint", epilog=examples("template lint --folder templates"))
@_FOLDERS
@AS_JSON
def lint_command(*, folders: tuple[Path, ...], as_json: bool) -> None:
    """Check the template folders; exit status 1 when there are errors. Warnings are listed and change nothing."""
    findings = lint(_templates(folders))
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            click.echo(_line(finding))
        click.echo(f"{errors} errors, {len(findings) - errors} warnings")
    sys.exit(1 if errors else 0)


def _line(finding: Finding) -> str:
    return f"{finding.severity}: {finding.line} [{finding.rule}]"
