"""The parts of an OpenAPI document that are the same in every service: parameters, headers, the problem, the key."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, SkipJsonSchema
from pydantic_core import core_schema

REF = "#/components/schemas/{model}"
Mode = Literal["validation", "serialization"]
Refs = Mapping[tuple[Any, Mode], dict[str, Any]]

# What is left out of an answer rather than null: `str | Absent = None`.
Absent = SkipJsonSchema[None]

API_KEY_SCHEME: dict[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "mlk_<12 hex digits>_<43 characters>",
    "description": "An API key of one app, as `Authorization: Bearer <key>`. Each operation names the scope that it needs.",
}

PARAMETERS: dict[str, Any] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": (
            "Makes a repetition of this call give the first answer again, for 24 hours, within the app and the route. The same key"
            " with another body is refused."
        ),
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    },
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "Stands in the answer, in every log line and in Kafka headers; made up when absent or of another form.",
        "schema": {"type": "string"},
    },
}

HEADERS: dict[str, Any] = {
    "Idempotency-Replayed": {
        "description": "There when this is the answer to an earlier call with the same key.",
        "schema": {"const": "true"},
    },
    "Retry-After": {
        "description": "When to try again, in seconds, where that is known.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"schema": {"type": "string"}},
    "X-Request-Id": {
        "description": "The request's id in logs.",
        "required": True,
        "schema": {"type": "string"},
    },
}

_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "token": {"type": "string", "description": "The token of a link: letters and digits."},
    "ticket": {"type": "string", "description": "The ticket of a pairing: letters and digits."},
}


class FieldProblem(BaseModel):
    """One field that breaks a rule."""

    field: Annotated[str, Field(description="The field as a path, `links.3.email`.")]
    rule: Annotated[str, Field(description="The rule's stable name.")]
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457). `code` is stable; `errors` names every broken rule at once."""

    type: Annotated[str, Field(description="Always `about:blank`.")]
    title: str
    status: int
    code: str
    detail: str | Absent = None
    errors: list[FieldProblem] | Absent = None
    request_id: str | Absent = None


def path_parameter(name: str) -> dict[str, Any]:
    """Return the parameter of a path: an id, unless it is one of the few that are not."""
    schema = dict(_PATH_PARAMETERS.get(name, {"type": "string", "format": "uuid"}))
    description = schema.pop("description", None)
    parameter = {"name": name, "in": "path", "required": True, "schema": schema}
    return parameter | ({"description": description} if description else {})


class Schemas(GenerateJsonSchema):
    """JSON Schemas as pydantic makes them, without titles that repeat a field's name and defaults that say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        if found.get("default", 0) is None:
            del found["default"]
        return found


def changes_of(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Return the model of a PATCH for documents: the same fields, each of which may be left out."""
    fields: dict[str, Any] = {
        field: (info.rebuild_annotation(), None) for field, info in model.model_fields.items()
    }
    made: type[BaseModel] = create_model(
        name, __config__=model.model_config, __doc__="What is absent stays.", **fields
    )
    return made
