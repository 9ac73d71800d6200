"""An OpenAPI 3.1 document made from a table of routes: what is served and what is documented cannot drift apart.

Bodies, queries and answers are the pydantic models that `Route.described` names; who may call, what is limited, and the refusals
that every route of a kind can give follow from the route itself. Each service serves its own as `GET /openapi.json`.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from itertools import chain
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from shared.http.openapi_operations import NOTHING, Components, operation, refusals_of, tag_of
from shared.http.openapi_parts import API_KEY_SCHEME, HEADERS, PARAMETERS, REF, Mode, Problem, Refs, Schemas
from shared.http.refusal_members import MEMBERS
from shared.http.routes import Call, Described, Public, Route, json_response

PATH = "/openapi.json"
TITLES = {
    "issuer": "Magic links: issuer",
    "verifier": "Magic links: verifier",
    "notifier": "Magic links: notifier",
}


def with_document(service: str, routes: Sequence[Route]) -> list[Route]:
    """Return the routes of a service and one more, `GET /openapi.json`, that describes them all."""

    @cache
    def described() -> dict[str, Any]:
        return document(service, table)

    async def show_document(_call: Call) -> web.Response:
        """Answer this document."""
        return json_response(described())

    table = [*routes]
    table.append(
        Route(
            "GET",
            PATH,
            show_document,
            Public("describes the API, the same for everybody"),
            described=Described(answers={200: OpenApiDocument}),
        )
    )
    return table


class OpenApiDocument(BaseModel):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, str]
    paths: dict[str, Any]
    components: dict[str, Any]


def document(service: str, routes: Sequence[Route]) -> dict[str, Any]:
    """Return the document of a service's routes. Raises `ValueError` when two operations would have one id."""
    refs, definitions = _schemas(routes)
    components = Components(refs)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    seen: set[str] = set()
    for route in routes:
        found = operation(route, components)
        if found["operationId"] in seen:
            raise ValueError(f"two operations are called {found['operationId']}")
        seen.add(found["operationId"])
        paths[route.path][route.method.lower()] = found
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {"title": TITLES[service], "version": version("magiclink")},
        "tags": [{"name": name} for name in sorted({tag_of(route.path) for route in routes})],
        "paths": dict(paths),
        "components": {
            "securitySchemes": {"apiKey": API_KEY_SCHEME},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": dict(sorted(components.responses.items())),
            "schemas": definitions,
        },
    }


def _schemas(routes: Sequence[Route]) -> tuple[Refs, dict[str, Any]]:
    wanted: dict[tuple[Any, Mode], None] = {(Problem, "serialization"): None}
    for route in routes:
        described = route.described or NOTHING
        if described.body is not None:
            wanted[described.body, "validation"] = None
        for model in described.answers.values():
            if model is not None:
                wanted[model, "serialization"] = None
        for refusal in chain.from_iterable(refusals_of(route).values()):
            if route.refusal_view is None and refusal in MEMBERS:
                wanted[MEMBERS[refusal], "serialization"] = None
    refs, schema = models_json_schema([*wanted], ref_template=REF, schema_generator=Schemas)
    return refs, dict(sorted(schema.get("$defs", {}).items()))
