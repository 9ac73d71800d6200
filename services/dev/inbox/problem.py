"""What the JSON API says when it refuses (RFC 9457), with every field's error at once."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from aiohttp import web
from pydantic import ValidationError


def problem(status: int, code: str, detail: str, **more: Any) -> web.Response:
    body = {
        "type": "about:blank",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    return web.json_response(body, status=status, content_type="application/problem+json")


def invalid(error: ValidationError, tags: AbstractSet[str] = frozenset()) -> web.Response:
    """422 `validation_failed` with `errors: [{field, message}]`; `tags` are names of variants, no part of a field's name."""
    return problem(422, "validation_failed", "some fields are not valid", errors=field_errors(error, tags))


def field_errors(error: ValidationError, tags: AbstractSet[str] = frozenset()) -> list[Mapping[str, str]]:
    """Name each field that breaks a rule, as `rules.0.code`, and the rule; the value itself is not repeated."""
    return [
        {
            "field": ".".join(str(part) for part in found["loc"] if part not in tags) or "body",
            "message": found["msg"],
        }
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
