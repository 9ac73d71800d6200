"""What Twilio's own OpenAPI description says of a request: its parameters, their types and formats.

The description is read as data (`twilio-messages.openapi.json`), so that what is accepted and refused is Twilio's choice, not
ours. What it does not carry is in `twilio_rules.py`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft4Validator, FormatChecker

Form = Mapping[str, Sequence[str]]
Parameters = dict[str, Any]

MESSAGES_PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?")


@cache
def specification() -> dict[str, Any]:
    text = files("services.dev.inbox").joinpath("twilio-messages.openapi.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def json_schema(openapi_schema: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAPI 3.0 schema as a JSON Schema that stands alone: `nullable` becomes a type, `#/components` comes along."""
    components = {"schemas": _nullable_as_type(specification()["components"]["schemas"])}
    schema: dict[str, Any] = _nullable_as_type(openapi_schema)
    return {**schema, "components": components}


@cache
def request_schema() -> dict[str, Any]:
    body = specification()["paths"][MESSAGES_PATH]["post"]["requestBody"]
    return json_schema(body["content"]["application/x-www-form-urlencoded"]["schema"])


def coerce(form: Form) -> Parameters:
    """The form's known fields with the types that the specification gives them.

    Blank fields count as absent, and a value that does not fit its type stays text, so that the schema refuses it by name.
    """
    parameters: Parameters = {}
    for name, schema in request_schema()["properties"].items():
        values = [value for value in form.get(name, ()) if value.strip()]
        if values:
            parameters[name] = values if schema.get("type") == "array" else _typed(values[-1], schema)
    return parameters


def unknown_parameters(form: Form) -> list[str]:
    """Names that the specification does not have. Twilio ignores them with a warning (20001)."""
    return sorted(set(form) - set(request_schema()["properties"]))


def first_invalid(parameters: Parameters) -> str | None:
    """The name of the first parameter that breaks the specification, `None` if it is kept."""
    for error in _validator().iter_errors(parameters):
        if error.absolute_path:
            return str(error.absolute_path[0])
    return None


@cache
def _validator() -> Draft4Validator:
    return Draft4Validator(request_schema(), format_checker=_formats())


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    checker.checks("uri", raises=ValueError)(_is_web_url)
    checker.checks("date-time", raises=ValueError)(_is_instant)
    return checker


def _is_web_url(value: object) -> bool:
    # Twilio also refuses hosts that it cannot reach. Here callbacks go to this machine, so loopback hosts are fine.
    if not isinstance(value, str):
        return True
    url = urlsplit(value)
    return url.scheme in {"http", "https"} and bool(url.hostname) and "_" not in (url.hostname or "")


def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _typed(value: str, schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "boolean":
            return {"true": True, "false": False}.get(value.lower(), value)
        case "integer" if _INTEGER.fullmatch(value):
            return int(value)
        case "number" if _NUMBER.fullmatch(value):
            return float(value)
    return value


def _nullable_as_type(node: Any) -> Any:
    if isinstance(node, list):
        return [_nullable_as_type(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    schema = {key: _nullable_as_type(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        schema["type"] = [schema["type"], "null"]
    return schema
