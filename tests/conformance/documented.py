"""Calls that are held against the OpenAPI documents: status, media type, and not a field more or less than is documented."""

import asyncio
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jsonschema

from shared.http.refusal_members import MEMBERS
from tests.clusters import House

Operation = tuple[str, str, str]  # service, method, path
_TRIES = 5
_BESIDE_OTHERS = frozenset(("Problem", *(model.__name__ for model in MEMBERS.values())))


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with no room for fields it does not name; clients must bear new ones, tests must not."""
    found = copy.deepcopy(document)
    for name, schema in found["components"]["schemas"].items():
        # A refusal's own members stand beside it, where it is referred to.
        if "properties" in schema and name not in _BESIDE_OTHERS:
            schema.setdefault("additionalProperties", False)
    for response in found["components"].get("responses", {}).values():
        for content in response.get("content", {}).values():
            if "allOf" in content["schema"]:
                content["schema"]["unevaluatedProperties"] = False
    return found


def faults(schema: dict[str, Any], answer: Any) -> list[str]:
    """Return where an answer is not as the schema says, without the schema."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(answer)]


@dataclass
class Documented:
    """The documents of a cluster's services, and what was seen of them."""

    house: House
    urls: Mapping[str, str]
    documents: Mapping[str, dict[str, Any]]
    seen: set[tuple[Operation, int]] = field(default_factory=set)

    @classmethod
    async def of(cls, house: House) -> "Documented":
        cluster = house.cluster
        urls = {
            "issuer": cluster.issuer_urls[0],
            "verifier": cluster.verifier_urls[0],
            "notifier": f"http://127.0.0.1:{cluster.ports['notifier']}",
        }
        documents = {}
        for service, url in urls.items():
            status, document, _ = await house.call("GET", f"{url}/openapi.json")
            assert status == 200
            documents[service] = closed(document)
        return cls(house, urls, documents)

    async def call(
        self,
        service: str,
        operation: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **given: Any,
    ) -> Any:
        """Call `POST /v1/links/{id}/revoke`, its parameters by name; return the JSON. What is not in the path is the query."""
        method, _, path = operation.partition(" ")
        inside = {name: value for name, value in given.items() if f"{{{name}}}" in path}
        query = {name: value for name, value in given.items() if name not in inside}
        url = self.urls[service] + path.format(**inside) + (f"?{urlencode(query)}" if query else "")
        for _ in range(_TRIES):
            status, answer, answered = await self.house.call(method, url, body, key=key, **(headers or {}))
            self.check((service, method, path), status, answered, answer)
            if status != 503:
                break
            # A busy machine: what may not be done without Redis (G8) is refused when it takes its time.
            await asyncio.sleep(0.2)
        return answer

    async def refused(self, code: str, service: str, operation: str, body: Any = None, **given: Any) -> Any:
        """Call, and fail unless the refusal is this one; return it."""
        answer = await self.call(service, operation, body, **given)
        assert isinstance(answer, dict), f"{operation}: not {code}"
        assert answer.get("code") == code, f"{operation}: not {code}: {answer}"
        return answer

    def check(self, operation: Operation, status: int, headers: Mapping[str, str], answer: Any) -> None:
        """Fail unless the document foresees this answer."""
        service, method, path = operation
        document = self.documents[service]
        responses = document["paths"][path][method.lower()]["responses"]
        assert str(status) in responses, f"{method} {path}: {status} is not documented: {answer}"
        response = responses[str(status)]
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        content = response.get("content", {})
        if not content:
            assert answer is None, f"{method} {path}: {status} is documented as empty"
        else:
            media_type = headers["Content-Type"].partition(";")[0]
            assert media_type in content, f"{method} {path}: {media_type} is not documented"
            schema = {**content[media_type]["schema"], "components": document["components"]}
            assert faults(schema, answer) == [], f"{method} {path}: {status}"
        self.seen.add((operation, status))

    def unseen(self) -> set[str]:
        """Return the operations that answer JSON and were never seen to succeed."""
        seen = {operation for operation, status in self.seen if status < 300}
        return {
            f"{service}: {method.upper()} {path}"
            for service, document in self.documents.items()
            for path, operations in document["paths"].items()
            for method, described in operations.items()
            if (service, method.upper(), path) not in seen
            and any(
                "application/json" in response.get("content", {}) or status == "204"
                for status, response in described["responses"].items()
                if status < "300"
            )
            and not path.startswith(("/l/", "/callbacks/"))
        }
