"""`python -m tests.house.chart_schema`: write the settings into deploy/helm/magiclink/values.schema.json anew from the code.

The rest of that file is written by hand; `$defs` whose names end in `Settings` or `Files` are made.
"""

from typing import Any

import orjson
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.compat.settings import CompatSettings
from services.issuer.settings import IssuerSettings
from services.notifier.settings import NotifierSettings
from services.verifier.settings import VerifierSettings
from shared.settings import HttpSettings
from tests.house.tree import ROOT

CHART = ROOT / "deploy" / "helm" / "magiclink"
SCHEMA = CHART / "values.schema.json"
CLASSES: dict[str, type[HttpSettings]] = {
    "issuer": IssuerSettings,
    "verifier": VerifierSettings,
    "notifier": NotifierSettings,
    "compat": CompatSettings,
}
# The chart's own: ports are named in probes and services.
FIXED = frozenset({"http_host", "http_port", "ops_host", "ops_port"})
_PLAIN = ("string", "integer", "number", "boolean")


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))


def settings_schema(service: str) -> dict[str, Any]:
    """Return the schema of a service's settings that are no secrets: JSON Schema draft 7, which Helm reads."""
    model = CLASSES[service]
    made = model.model_json_schema()["properties"]
    names = [name for name, field in model.model_fields.items() if not is_secret(field) and name not in FIXED]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name.upper(): _plain(made[name]) for name in sorted(names)},
    }


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    some: dict[str, Any] = next((part for part in schema.get("anyOf", []) if part.get("type") != "null"), {})
    merged = {**schema, **some}
    kept = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "description")
    found = {name: value for name, value in merged.items() if name in kept}
    # Anything else comes as text, as in the environment.
    return found if found.get("type") in _PLAIN else {**found, "type": "string"}


def definitions() -> dict[str, Any]:
    """Return the made part of `$defs`."""
    found: dict[str, Any] = {}
    everywhere: dict[str, Any] = {}
    for service, model in CLASSES.items():
        found[f"{service}Settings"] = settings_schema(service)
        everywhere |= found[f"{service}Settings"]["properties"]
        names = sorted(name.upper() for name in model.model_fields if name not in FIXED)
        found[f"{service}Files"] = {"type": "string", "enum": names}
    found["commonSettings"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(everywhere.items())),
    }
    return found


def whole() -> dict[str, Any]:
    """Return the file's content as it should be."""
    schema: dict[str, Any] = orjson.loads(SCHEMA.read_bytes())
    by_hand = {
        name: part for name, part in schema["$defs"].items() if not name.endswith(("Settings", "Files"))
    }
    return {**schema, "$defs": {**by_hand, **definitions()}}


def main() -> None:
    SCHEMA.write_bytes(orjson.dumps(whole(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
