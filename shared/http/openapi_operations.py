"""One operation of an OpenAPI document: what a route takes, answers and refuses with."""

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared import errors
from shared.api_keys import SCOPES
from shared.http.openapi_parts import REF, Refs, Schemas, path_parameter
from shared.http.problems import STATUS
from shared.http.refusal_members import MEMBERS
from shared.http.routes import ApiKey, Delegated, Described, Public, Route

NOTHING = Described()

_WRITING = frozenset({"POST", "PUT", "PATCH"})
_ANYWHERE = (errors.RateLimited, errors.InternalFault, errors.Unavailable)
_WITH_KEY = (errors.Unauthorized, errors.Forbidden)
_WITH_BODY = (errors.Malformed, errors.TooLarge, errors.Invalid)


@dataclass(frozen=True, slots=True)
class Components:
    """What operations refer to: schemas by model, and the refusals that were met so far."""

    refs: Refs
    responses: dict[str, Any] = field(default_factory=dict)


def operation(route: Route, components: Components) -> dict[str, Any]:
    """Return the operation of a route; adds the refusals that it refers to."""
    described = route.described or NOTHING
    found: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": summary(route.handler),
        "tags": [tag_of(route.path)],
        "parameters": _parameters(route, described),
        "responses": _responses(route, described, components),
    }
    match route.auth:
        # In 3.1 the roles of any scheme may stand here: the scopes that the key needs.
        case ApiKey(None):
            found["security"] = [{"apiKey": []}]
            found["description"] = "Needs an API key, with any scope."
        case ApiKey(str(scope)):
            found["security"] = [{"apiKey": [scope]}]
            found["description"] = f"Needs an API key with the scope `{scope}`: {SCOPES[scope]}."
        case Public(why) | Delegated(why):
            found["security"] = []
            found["description"] = f"Needs no API key: {why}."
    if described.body is not None:
        found["requestBody"] = {
            "required": route.method != "POST" or bool(_required(described.body)),
            "content": {"application/json": {"schema": components.refs[described.body, "validation"]}},
        }
    return found


def _required(model: type[BaseModel]) -> list[str]:
    required: list[str] = model.model_json_schema().get("required", [])
    return required


def operation_id(route: Route) -> str:
    """Return the operation's name in generated clients: its handler's class and name, `links_create_batch`."""
    *owners, name = route.handler.__qualname__.split(".")
    owner = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", owners[0].removesuffix("Api")).lower() if owners else ""
    if "<locals>" in owners or not owner:
        return name
    # One handler may answer GET and HEAD.
    suffix = "_head" if route.method == "HEAD" else ""
    return f"{owner}_{name}{suffix}"


def summary(handler: Callable[..., Any]) -> str:
    """Return the first line of the handler's docstring, without the path that some begin with; else its name in words."""
    words = (inspect.getdoc(handler) or handler.__name__.replace("_", " ")).splitlines()[0]
    words = re.sub(r"^`[A-Z]+ /[^`]*`: ", "", words).rstrip(".")
    return words[:1].upper() + words[1:]


def tag_of(path: str) -> str:
    first, *rest = path.strip("/").split("/")
    return rest[0] if first == "v1" and rest else {"l": "pages", "pair": "pages"}.get(first, first.strip("."))


def _parameters(route: Route, described: Described) -> list[dict[str, Any]]:
    found = [path_parameter(name) for name in re.findall(r"\{(\w+)", route.path)]
    if described.query is not None:
        schema = described.query.model_json_schema(schema_generator=Schemas)
        found += [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                "schema": _without_null(part),
                **({"description": part["description"]} if "description" in part else {}),
            }
            for name, part in schema["properties"].items()
        ]
    names = ["X-Request-Id", *(["Idempotency-Key"] if _is_idempotent(route) else [])]
    return [*found, *({"$ref": f"#/components/parameters/{name}"} for name in names)]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a query parameter's schema: what is not given is absent there, never null."""
    some = [part for part in schema.get("anyOf", []) if part != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "description")}
    return {**some[0], **rest} if len(some) == 1 else schema


def _is_idempotent(route: Route) -> bool:
    described = route.described or NOTHING
    return route.method == "POST" and isinstance(route.auth, ApiKey) and described.idempotent


def _responses(route: Route, described: Described, components: Components) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, model in described.answers.items():
        found[str(status)] = _answer(
            route, described, status, None if model is None else components.refs[model, "serialization"]
        )
    for status, refusals in refusals_of(route).items():
        name = "_or_".join(refusal.code for refusal in refusals) + _kind(route)
        components.responses.setdefault(name, _refusal(route, status, refusals, components.refs))
        found[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return found


def _answer(route: Route, described: Described, status: int, schema: dict[str, Any] | None) -> dict[str, Any]:
    names = ["X-Request-Id", *(["Idempotency-Replayed"] if _is_idempotent(route) else [])]
    answer: dict[str, Any] = {"description": "Done.", "headers": _header_refs(names)}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    elif described.media_type != "application/json" and route.method != "HEAD" and status == 200:
        answer["content"] = {described.media_type: {"schema": {"type": "string"}}}
    return answer


def refusals_of(route: Route) -> dict[int, list[type[errors.Refusal]]]:
    """Return what the route may refuse with by status: its own refusals, and those of every route of its kind."""
    described = route.described or NOTHING
    general: list[type[errors.Refusal]] = [*_ANYWHERE]
    if isinstance(route.auth, ApiKey):
        general += _WITH_KEY
        if "{" in route.path:
            general.append(errors.NotFound)
    if route.method in _WRITING:
        general += _WITH_BODY if described.body is not None else (errors.TooLarge,)
    elif described.query is not None:
        general.append(errors.Invalid)
    if _is_idempotent(route):
        general.append(errors.IdempotencyConflict)
    found: dict[int, list[type[errors.Refusal]]] = defaultdict(list)
    for refusal in dict.fromkeys([*described.refusals, *general]):
        found[STATUS[refusal]].append(refusal)
    return dict(sorted(found.items()))


def _kind(route: Route) -> str:
    if route.method == "HEAD":
        return "_head"
    return "" if route.refusal_view is None else "_page"


def _refusal(
    route: Route, status: int, refusals: Sequence[type[errors.Refusal]], refs: Refs
) -> dict[str, Any]:
    names = ["X-Request-Id", *(["Retry-After"] if status in (409, 429, 503) else [])]
    names += ["WWW-Authenticate"] if status == 401 else []
    found: dict[str, Any] = {
        "description": " ".join(f"`{refusal.code}`: {refusal.title()}." for refusal in refusals),
        "headers": _header_refs(names),
    }
    if route.method == "HEAD":
        return found
    if route.refusal_view is not None:
        found["content"] = {"text/html": {"schema": {"type": "string"}}}
        return found
    narrowed = {
        "properties": {"status": {"const": status}, "code": {"enum": [refusal.code for refusal in refusals]}}
    }
    schema = {"allOf": [{"$ref": REF.format(model="Problem")}, narrowed, *_members(refusals, refs)]}
    found["content"] = {"application/problem+json": {"schema": schema}}
    return found


def _members(refusals: Iterable[type[errors.Refusal]], refs: Refs) -> list[dict[str, Any]]:
    """Return the schemas of what these refusals bring along beside the members of every problem."""
    models = dict.fromkeys(MEMBERS[refusal] for refusal in refusals if refusal in MEMBERS)
    return [refs[model, "serialization"] for model in models]


def _header_refs(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
