"""WorkOS's refusals: statuses, codes and the two shapes (VENDORS §2.2).

`{message, code, errors?}` everywhere, `{error, error_description}` (RFC 6749 §5.2) where a grant is exchanged. Bad input is 422, what
cannot be read at all 400; VENDORS leaves both open. No refusal repeats a value that was sent.
"""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from services.compat.headers import retry_headers
from services.compat.native import NativeRefusal
from services.compat.workos import ids
from shared.errors import FieldProblem, Invalid, Refusal
from shared.http.problems import status_of
from shared.http.routes import json_response

_CODES: Final[Mapping[str, tuple[int, str, str]]] = {
    "malformed_request": (400, "invalid_request_body", "The body cannot be read."),
    "unauthorized": (401, "unauthorized", "Unauthorized"),
    "forbidden": (403, "forbidden", "The API key may not do this."),
    "not_found": (404, "entity_not_found", "There is no such thing."),
    "idempotency_conflict": (409, "idempotency_conflict", "The Idempotency-Key was used for another request."),
    "body_too_large": (413, "body_too_large", "The body is too large."),
    "invalid_request": (422, "unprocessable_entity", "Validation failed."),
    "rate_limited": (429, "rate_limit_exceeded", "Too many requests."),
    "unavailable": (503, "unavailable", "A part of the service is away; try again."),
    # Another request on the same link is being answered. The SDKs ask again after 503, and not after the native 409.
    "link_in_progress": (503, "unavailable", "Another attempt is under way; try again."),
    "passcode_invalid": (400, "invalid_one_time_code", "The code is invalid, used or expired."),
    "link_over": (400, "passwordless_session_over", "The session was used or has expired."),
    "session_invalid": (404, "entity_not_found", "The session is unknown or over."),
    "challenge_invalid": (400, "invalid_pending_authentication_token", "The pending authentication is over."),
    "second_factor_invalid": (400, "invalid_one_time_code", "The code is invalid or used."),
    "user_inactive": (403, "user_inactive", "The user may not sign in."),
    "user_locked": (403, "user_locked", "The user may not sign in."),
    "user_suspended": (403, "user_suspended", "The user may not sign in for now."),
    "user_expired": (403, "user_expired", "The user's account has expired."),
    "address_unverified": (403, "email_verification_required", "The user's address must be verified first."),
    "registration_unverified": (
        403, "email_verification_required", "The user's registration must be verified first.",
    ),
    "password_change_required": (403, "password_change_required", "The user must change their password first."),
    "second_factor_required": (403, "mfa_challenge", "A second factor is needed to sign in."),
}  # fmt: skip
_FAULT: Final = (500, "server_error", "Internal Server Error")

# What of the refusals is an error of OAuth; the others keep the usual shape.
_OAUTH: Final[Mapping[str, tuple[str, str]]] = {
    "malformed_request": ("invalid_request", "The request cannot be read."),
    "invalid_request": ("invalid_request", "A parameter is missing or wrong."),
    "unauthorized": ("invalid_client", "The client ID or its secret is invalid."),
    "grant_invalid": ("invalid_grant", "The code is invalid, used or expired."),
    "refresh_token_invalid": ("invalid_grant", "The refresh token is invalid, used or expired."),
    "session_invalid": ("invalid_grant", "The session is over."),
    "unsupported_grant_type": ("unsupported_grant_type", "The grant type is not supported."),
}
# Where WorkOS calls a native field by another name.
_FIELDS: Final[Mapping[str, str]] = {
    "redirect_url": "redirect_uri",
    "ttl_seconds": "expires_in",
    "client.ip": "ip_address",
    "client.user_agent": "user_agent",
    "passcode": "code",
}
# One e-mail address, one user; an `external_id` likewise.
_TAKEN: Final[Mapping[str, tuple[int, str, str]]] = {
    "email": (400, "email_not_available", "This email is not available."),
    "external_id": (409, "external_id_already_used", "The external ID belongs to another user."),
}


class UnsupportedGrantType(Refusal):
    """The grant type is not supported."""

    code = "unsupported_grant_type"


def refusal_view(_request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
    """Answer a refusal as WorkOS does."""
    code = native_code(refusal)
    if code == "already_exists":
        return _answer(refusal, *_taken(refusal))
    status, name, message = _CODES.get(code) or _unknown(refusal)
    body: dict[str, Any] = {"message": message, "code": name}
    if code == "invalid_request":
        body["errors"] = [_told(problem) for problem in _problems(refusal)]
    return _answer(refusal, status, body | _pending(refusal))


def oauth_refusal_view(request: web.Request, refusal: Refusal, request_id: str) -> web.Response:
    """Answer a refusal of a grant: 400 with `error` and `error_description`, also for a wrong client (VENDORS §2.2)."""
    told = _OAUTH.get(native_code(refusal))
    if told is None:
        return refusal_view(request, refusal, request_id)
    error, description = told
    faults = ", ".join(dict.fromkeys(problem["field"] for problem in map(_told, _problems(refusal))))
    words = f"{description} ({faults})" if faults else description
    return _answer(refusal, 400, {"error": error, "error_description": words})


def native_code(refusal: Refusal) -> str:
    """Return the native API's name of a refusal, whoever raised it."""
    return refusal.native_code if isinstance(refusal, NativeRefusal) else refusal.code


def _answer(refusal: Refusal, status: int, body: Mapping[str, Any]) -> web.Response:
    return json_response(body, status, retry_headers(refusal))


def _unknown(refusal: Refusal) -> tuple[int, str, str]:
    """Tell what has no words of its own by its status: what is not the caller's fault is ours."""
    status = refusal.status if isinstance(refusal, NativeRefusal) else _own_status(refusal)
    words = refusal.detail or refusal.title()
    return (status, native_code(refusal), words) if 400 <= status < 500 else _FAULT


def _own_status(refusal: Refusal) -> int:
    return 400 if isinstance(refusal, UnsupportedGrantType) else status_of(refusal)


def _problems(refusal: Refusal) -> list[FieldProblem]:
    if isinstance(refusal, Invalid):
        return refusal.problems
    if isinstance(refusal, NativeRefusal):
        return [FieldProblem(p["field"], p["rule"], p["message"]) for p in refusal.errors]
    return []


def _told(problem: FieldProblem) -> dict[str, str]:
    field = _FIELDS.get(problem.field, problem.field)
    return {"field": field, "code": problem.rule, "message": problem.message}


def _taken(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    detail = refusal.detail
    status, code, message = _TAKEN.get(
        detail.partition(":")[0], (409, "already_exists", "It exists already.")
    )
    if code != "email_not_available":
        return status, {"message": message, "code": code}
    problem = {"code": code, "message": message}
    return status, {"message": "Could not create user.", "code": "user_creation_error", "errors": [problem]}


def _pending(refusal: Refusal) -> dict[str, Any]:
    """Return what the product needs to go on with after a 403 that stops a sign-in half way."""
    found: dict[str, Any] = {}
    if "challenge" in refusal.members:
        found["pending_authentication_token"] = refusal.members["challenge"]
        found["authentication_factors"] = [
            {"id": ids.named(ids.FACTOR, method["id"]), "type": method["type"]}
            for method in refusal.members["methods"]
        ]
    if "user" in refusal.members:
        found["email"] = refusal.members["user"]["email"]
    return found
