"""Refusals in FusionAuth's words (VENDORS §4.2): `fieldErrors` and `generalErrors` with 400, an empty body with nearly all else."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web

from services.compat.headers import retry_headers
from services.compat.native import NativeRefusal
from shared import errors
from shared.errors import FieldProblem, Invalid, Refusal
from shared.http.routes import json_response

Answer = TypeVar("Answer")

STATUS: Final[Mapping[str, int]] = {
    "unauthorized": 401,
    # A key without the scope is for FusionAuth a key without the permission.
    "forbidden": 401,
    "foreign_origin": 403,
    "not_found": 404,
    "passcode_invalid": 404,
    "link_invalid": 404,
    "link_consumed": 404,
    "link_expired": 404,
    "link_revoked": 404,
    "link_over": 404,
    "challenge_invalid": 404,
    "session_invalid": 404,
    # As FusionAuth does with users who were deactivated: to whoever signs in they do not exist.
    "user_inactive": 404,
    "user_expired": 410,
    "second_factor_invalid": 421,
    "user_locked": 423,
    "rate_limited": 429,
    "internal_error": 500,
}
"""By native code, what has an empty body."""

# Somebody else is at this code, or a part is away: nothing was decided, ask again.
_PASSING: Final = frozenset({"unavailable", "link_in_progress"})
_WORDS: Final[Mapping[str, str]] = {
    "missing": "You must specify the [{field}] property.",
    "blank": "You must specify the [{field}] property.",
    "duplicate": "A value of [{field}] that is in use already was given.",
    "invalid": "The [{field}] property is not valid: {reason}",
}
_RULES: Final[Mapping[str, str]] = {
    "missing": "missing",
    "string_too_short": "blank",
    "email_format": "notEmail",
    "already_exists": "duplicate",
    "duplicate": "duplicate",
}


def refusal_view(_request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
    """Answer any refusal as FusionAuth would."""
    problems = problems_of(refusal)
    if problems is not None:
        return json_response(errors_body(problems), 400, retry_headers(refusal))
    code = code_of(refusal)
    headers = retry_headers(refusal)
    if code in _PASSING:
        return json_response(
            errors_body([FieldProblem("", "Unavailable", "Nothing was changed. Try again.")]), 503, headers
        )
    return web.Response(status=STATUS.get(code, 500), headers={"Cache-Control": "no-store", **headers})


def code_of(refusal: Refusal) -> str:
    """Return the native code of a refusal, whether it was raised here or by the native API."""
    if isinstance(refusal, NativeRefusal):
        # What a service answers with 5xx has no word of its own in a vendor's contract.
        return "unavailable" if refusal.status in (502, 503, 504) else str(refusal.native_code)
    return refusal.code


def problems_of(refusal: Refusal) -> list[FieldProblem] | None:
    """Return the problems of a refusal that FusionAuth answers with 400, None for others."""
    if isinstance(refusal, Invalid):
        return refusal.problems
    if isinstance(refusal, errors.Malformed | errors.TooLarge):
        return [FieldProblem("", "invalidJSON", refusal.detail or refusal.title())]
    return _native_problems(refusal) if isinstance(refusal, NativeRefusal) else None


def _native_problems(refusal: NativeRefusal) -> list[FieldProblem] | None:
    match refusal.native_code:
        case "invalid_request":
            return [FieldProblem(fault["field"], fault["rule"], fault["message"]) for fault in refusal.errors]
        case "refresh_token_invalid":
            return [FieldProblem("refreshToken", "invalid", "is unknown, late or revoked")]
        case "already_exists" | "malformed_request" | "body_too_large" | "already_sent" | "not_sent":
            return [FieldProblem("", str(refusal.native_code), refusal.detail)]
        case _:
            return None


def errors_body(problems: list[FieldProblem]) -> dict[str, Any]:
    """Return FusionAuth's errors object. A problem without a field is a general one."""
    fields: dict[str, list[dict[str, str]]] = {}
    general = []
    for problem in problems:
        if not problem.field:
            general.append({"code": f"[{problem.rule}]", "message": problem.message})
            continue
        rule = _RULES.get(problem.rule, "invalid")
        words = _WORDS.get(rule, _WORDS["invalid"]).format(field=problem.field, reason=problem.message)
        fields.setdefault(problem.field, []).append({"code": f"[{rule}]{problem.field}", "message": words})
    return {"fieldErrors": fields, "generalErrors": general}


async def translated(asking: Awaitable[Answer], names: Mapping[str, str]) -> Answer:
    """Await a native call; faults of its fields are raised by FusionAuth's `names` of them."""
    try:
        return await asking
    except NativeRefusal as refusal:
        raise named(refusal, names) from None


def named(refusal: NativeRefusal, names: Mapping[str, str]) -> Refusal:
    """Return the refusal with FusionAuth's names of the fields; one of something else as it is."""
    if refusal.native_code == "already_exists":
        field = refusal.detail.partition(":")[0]
        return Invalid([FieldProblem(names.get(field, field), "duplicate", "is in use already")])
    if refusal.native_code != "invalid_request":
        return refusal
    return Invalid(
        [
            FieldProblem(_name(fault["field"], names), fault["rule"], fault["message"])
            for fault in refusal.errors
        ]
    )


def _name(field: str, names: Mapping[str, str]) -> str:
    # `profile.given_name` is one of `profile`'s where no name of its own is known.
    return names.get(field) or names.get(field.partition(".")[0]) or field


def invalid(field: str, message: str = "names nothing here") -> Invalid:
    """Return the 400 of one field."""
    return Invalid([FieldProblem(field, "invalid", message)])
