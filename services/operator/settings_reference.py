"""Every setting with its type, default and meaning, from the models themselves: for `magiclink settings` and docs/configuration.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.compat.settings import CompatSettings
from services.issuer.admin import DatabaseSettings
from services.issuer.settings import IssuerSettings
from services.notifier.settings import NotifierSettings
from services.operator.key_files import MasterSettings
from services.operator.maintain import MaintainSettings
from services.verifier.settings import VerifierSettings
from shared.settings import PREFIX, PrefixedSettings

# What can be configured: the services, and the operator's commands by what they need.
MODELS: Mapping[str, type[PrefixedSettings]] = {
    "issuer": IssuerSettings,
    "verifier": VerifierSettings,
    "notifier": NotifierSettings,
    "compat": CompatSettings,
    "migrate": DatabaseSettings,
    "maintain": MaintainSettings,
    "keys": MasterSettings,
}
SERVICES = ("issuer", "verifier", "notifier", "compat")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as an operator reads it. `default` None: there is none; see `required`."""

    name: str
    type: str
    required: bool
    default: str | None
    secret: bool
    description: str


# Read by the command itself, before any model.
WORKERS = Setting(
    f"{PREFIX}WORKERS",
    "integer, 1 to 64",
    required=False,
    default=None,
    secret=False,
    description="So many processes under a parent, which replaces them one by one on SIGHUP; default: one process without a parent.",
)


def settings_of(name: str) -> list[Setting]:
    """Return what a service or command reads, required ones first, then by name."""
    model = MODELS[name]
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    found = [_setting(field, schema["properties"][field], required) for field in model.model_fields]
    if name in SERVICES:
        found.append(WORKERS)
    return sorted(found, key=lambda setting: (not setting.required, setting.name))


def markdown(names: tuple[str, ...] = tuple(MODELS)) -> str:
    """Return tables, a section a service or command, for a document."""
    parts = []
    for name in names:
        parts += [f"## `magiclink {name}`", "", "| setting | type | default | meaning |", "|---|---|---|---|"]
        parts += [_row(setting) for setting in settings_of(name)]
        parts.append("")
    return "\n".join(parts)


def text(names: tuple[str, ...]) -> str:
    """Return the same for a terminal."""
    lines = []
    for name in names:
        lines.append(f"magiclink {name}")
        for setting in settings_of(name):
            lines += [
                f"  {setting.name}  ({setting.type}; {_default(setting)})",
                f"      {setting.description}",
            ]
        lines.append("")
    return "\n".join(lines).rstrip()


def _setting(field: str, schema: Mapping[str, Any], required: set[str]) -> Setting:
    kinds = [kind for kind in schema.get("anyOf", (schema,)) if kind.get("type") != "null"]
    default = schema.get("default")
    return Setting(
        name=PREFIX + field.upper(),
        type=_type({**schema, **kinds[0]}),
        required=field in required,
        default=None if default is None or default == "" else _written(default),
        secret=any(kind.get("format") == "password" for kind in kinds),
        description=schema.get("description", ""),
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if schema.get("format") == "password":
        return "secret text"
    words = {
        "string": "text",
        "integer": "integer",
        "number": "number",
        "boolean": "true | false",
        "object": "JSON object",
    }
    return words.get(schema.get("type", ""), "text") + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    least = schema.get("minimum")
    above, most = schema.get("exclusiveMinimum"), schema.get("maximum")
    match (least, above, most):
        case (None, None, None):
            return ""
        case (None, None, _):
            return f", at most {most:,}"
        case (None, _, None):
            return f", above {above:,}"
        case (None, _, _):
            return f", above {above:,}, at most {most:,}"
        case (_, _, None):
            return f", {least:,} or more"
    return f", {least:,} to {most:,}"


def _written(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _default(setting: Setting) -> str:
    if setting.required:
        return "required"
    return "optional" if setting.default is None else f"default {setting.default}"


def _row(setting: Setting) -> str:
    default = (
        "**required**" if setting.required else "" if setting.default is None else f"`{setting.default}`"
    )
    kind = setting.type.replace("|", "\\|")
    return f"| `{setting.name}` | {kind} | {default} | {setting.description.replace('|', chr(92) + '|')} |"
