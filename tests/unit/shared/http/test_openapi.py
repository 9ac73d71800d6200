"""What a document says of a route follows from the route."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel, Field

from shared.errors import LinkConsumed, LinkInProgress
from shared.http.edge import Edge
from shared.http.openapi import document, with_document
from shared.http.openapi_parts import changes_of
from shared.http.routes import ApiKey, Call, Described, Public, Route
from shared.limits import FailOpenBucket


class Wish(BaseModel):
    name: str
    count: int = Field(3, ge=1)


class Search(BaseModel):
    after: str | None = None


class Kept(BaseModel):
    name: str


class WishesApi:
    async def make(self, call: Call) -> web.StreamResponse:
        """`POST /v1/wishes`: make a wish.

        More than a line.
        """
        raise AssertionError(call)

    async def drop_all(self, call: Call) -> web.StreamResponse:
        raise AssertionError(call)


API = WishesApi()
MAKE = Route(
    "POST",
    "/v1/wishes",
    API.make,
    ApiKey("links:create"),
    described=Described(body=Wish, answers={201: Kept}, refusals=(LinkConsumed, LinkInProgress)),
)
DROP = Route(
    "DELETE",
    "/v1/wishes/{id}",
    API.drop_all,
    Public("nobody asks who drops wishes"),
    described=Described(query=Search, answers={204: None}),
)


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = document("issuer", [route])["paths"][route.path][route.method.lower()]
    return found


def response(route: Route, status: int) -> dict[str, Any]:
    made = document("issuer", [route])
    found: dict[str, Any] = made["paths"][route.path][route.method.lower()]["responses"][str(status)]
    if "$ref" in found:
        found = made["components"]["responses"][found["$ref"].rpartition("/")[2]]
    return found


def test_name_and_summary_come_from_the_handler() -> None:
    assert operation(MAKE)["operationId"] == "wishes_make"
    assert operation(MAKE)["summary"] == "Make a wish"
    assert operation(DROP)["summary"] == "Drop all"
    assert operation(MAKE)["tags"] == ["wishes"]


def test_a_route_says_who_may_call_it() -> None:
    assert operation(MAKE)["security"] == [{"apiKey": ["links:create"]}]
    assert operation(DROP)["security"] == []
    assert "nobody asks who drops wishes" in operation(DROP)["description"]


def test_a_body_is_required_when_a_field_is() -> None:
    assert operation(MAKE)["requestBody"]["required"] is True
    schema = operation(MAKE)["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Wish"}


def test_parameters_are_those_of_path_query_and_headers() -> None:
    given = operation(DROP)["parameters"]
    assert [parameter.get("name", parameter.get("$ref")) for parameter in given] == [
        "id", "after", "#/components/parameters/X-Request-Id",
    ]  # fmt: skip
    assert given[0]["schema"] == {"type": "string", "format": "uuid"}
    assert given[1]["schema"] == {"type": "string"}, "a query has no null"
    assert {"$ref": "#/components/parameters/Idempotency-Key"} in operation(MAKE)["parameters"]


def test_every_refusal_of_a_kind_of_route_is_told_with_its_codes() -> None:
    assert sorted(operation(MAKE)["responses"]) == [
        "201", "400", "401", "403", "409", "413", "422", "429", "500", "503",
    ]  # fmt: skip
    narrowed = response(MAKE, 409)["content"]["application/problem+json"]["schema"]["allOf"][1]
    assert narrowed["properties"]["code"]["enum"] == [
        "link_consumed", "link_in_progress", "idempotency_conflict",
    ]  # fmt: skip
    assert "Retry-After" in response(MAKE, 429)["headers"]
    assert "WWW-Authenticate" in response(MAKE, 401)["headers"]


def test_a_refusal_that_is_a_page_is_told_as_one() -> None:
    def page(request: web.Request, refusal: Any, request_id: str) -> web.StreamResponse:
        raise AssertionError(request, refusal, request_id)

    shown = Route("GET", "/l/{token}", API.make, Public("the token is the proof"), refusal_view=page)
    assert list(response(shown, 429)["content"]) == ["text/html"]


def test_two_operations_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="wishes_make"):
        document("issuer", [MAKE, MAKE])


def test_of_a_change_every_field_may_be_left_out() -> None:
    schema = changes_of(Wish, "WishChange").model_json_schema()
    assert "required" not in schema
    assert schema["properties"]["count"]["minimum"] == 1


async def test_a_service_serves_its_document() -> None:
    class Open(FailOpenBucket):
        def __init__(self) -> None: ...
        async def take(self, *_: Any) -> int:
            return 0

    edge = Edge(api_keys=None, address_limit=Open(), key_limit=Open(), request_timeout_seconds=5)
    table = with_document("issuer", [MAKE])
    async with TestClient(TestServer(edge.application(table))) as client:
        answered = await client.get("/openapi.json")
        assert answered.status == 200
        assert await answered.json() == document("issuer", table)
