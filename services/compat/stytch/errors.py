"""Refusals in Stytch's words: `{status_code, request_id, error_type, error_message, error_url}` (VENDORS §1.2).

Types are those that Stytch documents where it documents one for the case. What it leaves open was decided so: a refused form of a
field is 400 with that field's own type; attributes that do not match are 401 `attribute_mismatch`; a user who may not sign in now
(locked, suspended, inactive, expired) and a policy that wants more than one factor are 403, and nothing is burnt; a wrong, used or late
passcode is one 401 `unable_to_auth_otp_code`, because telling them apart would tell a guesser that there is a code (G7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from aiohttp import web

from services.compat.headers import retry_headers
from services.compat.native import NativeRefusal
from services.compat.stytch.credentials import read_credentials
from services.compat.stytch.ids import Ids
from shared import errors
from shared.errors import Refusal
from shared.http.routes import json_response

_ERROR_URL = "https://stytch.com/docs/api/errors"


class StytchRefusal(Refusal):
    """What Stytch's contract refuses by itself."""

    code: ClassVar[str] = "stytch_refusal"

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller is told."""

    status: int
    error_type: str
    message: str


USER_NOT_FOUND: Final = Told(404, "user_not_found", "User could not be found.")
EMAIL_NOT_FOUND: Final = Told(404, "email_not_found", "Email could not be found.")
PHONE_NOT_FOUND: Final = Told(404, "phone_number_not_found", "Phone number could not be found.")
PROJECT_NOT_FOUND: Final = Told(404, "project_not_found", "Project could not be found.")
SESSION_NOT_FOUND: Final = Told(404, "session_not_found", "Session could not be found.")
_BAD_CREDENTIALS = Told(401, "unauthorized_credentials", "Unauthorized credentials.")
_LINK_IS_OVER = Told(
    401,
    "unable_to_auth_magic_link",
    "The magic link was used already, was revoked or has expired. Send another one.",
)
_BARRED = Told(403, "user_locked", "This user may not sign in now. The link or passcode was not used up.")
_NOT_ALLOWED = Told(403, "unauthorized_action", "The secret is not allowed to do this.")
_MISMATCH = Told(
    401,
    "attribute_mismatch",
    "The attributes of this request are not those that the link was asked for with.",
)
_PKCE_MISMATCH = Told(401, "pkce_mismatch", "The code_verifier does not match the code_challenge.")
_MORE_WANTED = "The factor was authenticated; this project wants more before a user is signed in: "
_AWAY = Told(503, "service_unavailable", "The service is not available now; nothing was used up. Try again.")
_TOO_MANY = Told(429, "too_many_requests", "Too many requests have been made.")
_FAULT = Told(
    500, "internal_server_error", "Something went wrong here. The request's id finds it in the logs."
)

_OF_OURS: Mapping[type[Refusal], Told] = {
    errors.Unauthorized: _BAD_CREDENTIALS,
    errors.Forbidden: _NOT_ALLOWED,
    errors.RateLimited: _TOO_MANY,
    errors.Unavailable: _AWAY,
    errors.NotFound: Told(404, "not_found", "There is no such thing here."),
    errors.TooLarge: Told(413, "request_too_large", "The request body is too large."),
}
_OF_NATIVE: Mapping[str, Told] = {
    "unauthorized": _BAD_CREDENTIALS,
    "forbidden": _NOT_ALLOWED,
    "not_found": USER_NOT_FOUND,
    "rate_limited": _TOO_MANY,
    "unavailable": _AWAY,
    "link_invalid": Told(404, "magic_link_not_found", "The magic link could not be found."),
    "link_consumed": _LINK_IS_OVER,
    "link_expired": _LINK_IS_OVER,
    "link_revoked": _LINK_IS_OVER,
    "link_not_yet_valid": _LINK_IS_OVER,
    # Who asks again is told how the other attempt ended.
    "link_in_progress": Told(
        409, "magic_link_in_progress", "Another request is authenticating this link. Try again."
    ),
    "passcode_invalid": Told(
        401, "unable_to_auth_otp_code", "The passcode is wrong, was used already or has expired."
    ),
    "client_mismatch": _MISMATCH,
    "code_verifier_invalid": _PKCE_MISMATCH,
    "session_invalid": SESSION_NOT_FOUND,
    "user_inactive": _BARRED,
    "user_locked": _BARRED,
    "user_suspended": _BARRED,
    "user_expired": _BARRED,
    "second_factor_required": Told(403, "second_factor_required", f"{_MORE_WANTED}a second factor."),
    "address_unverified": Told(403, "address_unverified", f"{_MORE_WANTED}a verified address."),
    "password_change_required": Told(403, "reset_password", f"{_MORE_WANTED}a new password."),
}
# What the native API calls a field, in Stytch's words.
_FIELDS: Mapping[str, str] = {
    "phone": "phone_number",
    "ttl_seconds": "expiration_minutes",
    "url_template": "magic_link_url",
    "template": "template_id",
    "client.ip": "attributes.ip_address",
    "client.user_agent": "attributes.user_agent",
    "session.expires_in_seconds": "session_duration_minutes",
    "expires_in_seconds": "session_duration_minutes",
    "session.claims": "session_custom_claims",
    "claims": "session_custom_claims",
    "jwt_claims": "session_custom_claims",
    "session.extends": "session_token",
    "passcode": "code",
    "profile": "name",
}
_TYPES: Mapping[str, str] = {
    "email_address": "invalid_email",
    "login_expiration_minutes": "invalid_expiration",
    "signup_expiration_minutes": "invalid_expiration",
    "invite_expiration_minutes": "invalid_expiration",
    "expiration_minutes": "invalid_expiration",
    "code_challenge": "invalid_pkce_code_challenge",
    "code_verifier": "invalid_pkce_code_verifier",
    "attributes.ip_address": "invalid_ip_address",
    "attributes.user_agent": "invalid_user_agent",
    "limit": "user_search_invalid_limit",
    "cursor": "user_search_invalid_cursor",
    "query.operator": "user_search_invalid_operator",
    "operator": "user_search_invalid_operator",
    "metadata": "metadata_too_large",
}
_OWN_TYPES = frozenset(
    {
        "email", "phone_number", "user_id", "token", "session_token", "session_jwt", "session_id", "method_id", "code", "name",
        "magic_link_url", "login_magic_link_url", "signup_magic_link_url", "invite_magic_link_url", "session_duration_minutes",
        "session_custom_claims", "external_id", "locale", "template_id", "roles",
    }
)  # fmt: skip
_DUPLICATES: Mapping[str, str] = {
    "email": "duplicate_email",
    "phone": "duplicate_phone_number",
    "external_id": "duplicate_external_id",
}


def refuse(told: Told) -> StytchRefusal:
    """Return a refusal to raise."""
    return StytchRefusal(told.status, told.error_type, told.message)


def refusal_view(request: web.Request, refusal: Refusal, request_id: str) -> web.Response:
    """Answer a refusal as Stytch does."""
    told = told_of(refusal)
    body = {
        "status_code": told.status,
        "request_id": Ids.of_project(_project_id(request)).request(request_id),
        "error_type": told.error_type,
        "error_message": told.message,
        "error_url": f"{_ERROR_URL}/{told.status}#{told.error_type}",
    }
    return json_response(body, status=told.status, headers=retry_headers(refusal))


def told_of(refusal: Refusal) -> Told:
    """Return what a refusal is in Stytch's words."""
    match refusal:
        case StytchRefusal():
            return Told(refusal.status, refusal.error_type, refusal.detail)
        case errors.Invalid():
            return _invalid(
                [{"field": p.field, "rule": p.rule, "message": p.message} for p in refusal.problems]
            )
        case errors.Malformed():
            return Told(400, "invalid_json", refusal.detail)
        case NativeRefusal():
            return _native(refusal)
        case _:
            return _OF_OURS.get(type(refusal), _FAULT)


def _native(refusal: NativeRefusal) -> Told:
    match refusal.native_code:
        case "invalid_request":
            return _invalid(refusal.errors)
        case "already_exists":
            field = refusal.detail.partition(":")[0]
            known = _DUPLICATES.get(field, "bad_request")
            return Told(400, known, f"This {_FIELDS.get(field, field)} belongs to another user.")
        case code:
            return _OF_NATIVE.get(code, _AWAY if refusal.status >= 500 else _FAULT)


def _invalid(problems: Sequence[Mapping[str, Any]]) -> Told:
    named = [(_FIELDS.get(p["field"], p["field"]), p["rule"], p["message"]) for p in problems]
    if any(rule == "client_missing" for _, rule, _ in named):
        return _MISMATCH
    words = "; ".join(f"{field}: {message}" for field, _, message in named)
    field, rule, _ = named[0] if named else ("", "", "")
    return Told(400, _type_of(field, rule), words or "The submitted request is invalid.")


def _type_of(field: str, rule: str) -> str:
    if rule == "user_unknown":
        return "user_not_found"
    if field.endswith("magic_link_url") and "not_allowed" in rule:
        return "no_match_for_provided_magic_link_url"
    first = field.partition(".")[0]
    for name in (field, first):
        if name in _TYPES:
            return _TYPES[name]
    return f"invalid_{first}" if first in _OWN_TYPES else "bad_request"


def _project_id(request: web.Request) -> str:
    named = request.match_info.get("project_id")
    if named:
        return named
    credentials = read_credentials(request)
    return "" if credentials is None else credentials.project_id
