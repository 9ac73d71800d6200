"""The documents under docs/openapi/ are what the code says, are valid, and leave nothing of a route out."""

import inspect
from functools import cache
from typing import Any

import jsonschema
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from shared.http.openapi import PATH
from shared.http.routes import Route
from tests.house.openapi_documents import FOLDER, as_text, documents
from tests.house.route_tables import TABLES, all_routes

PAGES = ("/l/{token}", "/pair/{ticket}")
# Their path says it all.
WITHOUT_BODY = ("/v1/links/{id}/reveal", "/v1/webhooks/{id}/test")


@cache
def made() -> dict[str, dict[str, Any]]:
    return documents()


@pytest.mark.parametrize("service", TABLES)
def test_the_checked_in_document_is_what_the_code_says(service: str) -> None:
    written = (FOLDER / f"{service}.json").read_text(encoding="utf-8")
    assert written == as_text(made()[service]), "run: make documents"


@pytest.mark.parametrize("service", TABLES)
def test_the_document_is_valid_openapi_3_1(service: str) -> None:
    jsonschema.Draft202012Validator(OPENAPI_31).validate(made()[service])
    for schema in made()[service]["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("service", TABLES)
def test_every_reference_leads_somewhere(service: str) -> None:
    assert [ref for ref in references(made()[service]) if not leads_somewhere(made()[service], ref)] == []


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [ref for value in part.values() for ref in references(value)]
    return [ref for value in part for ref in references(value)] if isinstance(part, list) else []


def leads_somewhere(document: dict[str, Any], ref: str) -> bool:
    part: Any = document
    for name in ref.removeprefix("#/").split("/"):
        part = part.get(name) if isinstance(part, dict) else None
    return part is not None


def undescribed(route: Route) -> list[str]:
    """Return what a reader of the document would miss."""
    described = route.described
    missing = []
    if described is None or not described.answers:
        missing.append("no answer")
    if not inspect.getdoc(route.handler):
        missing.append("no docstring, which is its summary")
    takes_json = route.method in ("POST", "PATCH", "PUT") and not route.path.startswith(
        (*PAGES, "/callbacks")
    )
    if takes_json and route.path not in WITHOUT_BODY and (described is None or described.body is None):
        missing.append("no body")
    return missing


@pytest.mark.parametrize("route", [route for _, route in all_routes()], ids=lambda r: f"{r.method} {r.path}")
def test_every_route_is_described(route: Route) -> None:
    assert undescribed(route) == []


@pytest.mark.parametrize("service", TABLES)
def test_every_service_serves_its_document(service: str) -> None:
    assert PATH in {route.path for name, route in all_routes() if name == service}
