"""Refusals in Passage's words: `{"code", "error"}`, and for each status only the codes that its clients know (VENDORS §3.3).

The codes of the browser's calls are those that Passage's own Android library lists for 401, 403 and 404.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from services.compat.headers import retry_headers
from services.compat.native import NativeRefusal
from shared.errors import (
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    RateLimited,
    Refusal,
    TooLarge,
    Unauthorized,
    Unavailable,
)

CORS: Final[web.RequestKey[dict[str, str]]] = web.RequestKey("passage_cors", dict)
"""The CORS headers of the answer, refusals included: without them a browser's script cannot read why it was refused."""


# The same words for a link that never was and one of somebody else's: they would tell whether there is such a user.
_NO_LINK: Final = "There is no such magic link, or it was not activated."


class PassageRefusal(Refusal):
    """A refusal that only Passage's contract has."""

    code = "passage_refusal"

    def __init__(self, status: int, passage_code: str, error: str) -> None:
        super().__init__(error)
        self.told = Told(status, passage_code, error)


@dataclass(frozen=True, slots=True)
class Told:
    """What Passage's clients are told."""

    status: int
    code: str
    error: str


def user_not_found() -> PassageRefusal:
    return PassageRefusal(404, "user_not_found", "There is no such user.")


def device_not_found() -> PassageRefusal:
    return PassageRefusal(404, "device_not_found", "There is no such device.")


def app_not_found() -> PassageRefusal:
    return PassageRefusal(404, "app_not_found", "There is no such app.")


def magic_link_not_found() -> PassageRefusal:
    return PassageRefusal(404, "magic_link_not_found", _NO_LINK)


def invalid_request(error: str) -> PassageRefusal:
    return PassageRefusal(400, "invalid_request", error)


_INVALID_KEY: Final = Told(401, "invalid_access_token", "The API key is not one of this app.")
_NOT_ALLOWED: Final = Told(403, "operation_not_allowed", "The API key may not do this.")
_USED: Final = Told(401, "invalid_magic_link", "The magic link was used, was revoked or has expired.")
_BARRED: Final = Told(403, "user_not_active", "The user is not active.")
_BUSY: Final = Told(429, "too_many_requests", "Too many requests.")
_FAULT: Final = Told(500, "internal_server_error", "A fault of this service.")
# 503 is in none of the vendor's lists, and still what is true: nothing was lost, try again.
_AWAY: Final = Told(503, "internal_server_error", "A part of the service is away; try again.")
_MORE_NEEDED: Final = Told(403, "operation_not_allowed", "Signing in needs more than this link.")

_OWN: Final[Mapping[type[Refusal], Told]] = {
    Unauthorized: _INVALID_KEY,
    Forbidden: _NOT_ALLOWED,
    # A path that Passage has and this does not; none of the vendor's codes means that.
    NotFound: Told(404, "not_found", "There is nothing at this address."),
    RateLimited: _BUSY,
    Unavailable: _AWAY,
}
_NATIVE: Final[Mapping[str, Told]] = {
    "unauthorized": _INVALID_KEY,
    "forbidden": _NOT_ALLOWED,
    "not_found": Told(404, "user_not_found", "There is no such user."),
    "rate_limited": _BUSY,
    "unavailable": _AWAY,
    "link_in_progress": _AWAY,
    "link_invalid": Told(404, "magic_link_not_found", _NO_LINK),
    "link_consumed": _USED,
    "link_expired": _USED,
    "link_revoked": _USED,
    "link_not_yet_valid": _USED,
    "user_inactive": _BARRED,
    "user_locked": _BARRED,
    "user_suspended": _BARRED,
    "user_expired": _BARRED,
    "address_unverified": Told(403, "identifier_not_verified", "The identifier must be verified first."),
    "registration_unverified": _MORE_NEEDED,
    "second_factor_required": _MORE_NEEDED,
    "password_change_required": _MORE_NEEDED,
    "pairing_required": _MORE_NEEDED,
    "scanner_refused": _MORE_NEEDED,
    "client_mismatch": _MORE_NEEDED,
    "code_verifier_invalid": _MORE_NEEDED,
    "session_invalid": Told(401, "invalid_refresh_token", "The session is over."),
    "refresh_token_invalid": Told(
        401, "invalid_refresh_token", "The refresh token is unknown, used or late."
    ),
}
_BAD_REQUEST: Final = frozenset(
    {"invalid_request", "malformed_request", "body_too_large", "already_exists", "link_over"}
)
# Fields of the native API by what Passage calls them.
_FIELDS: Final[Mapping[str, str]] = {
    "ttl_seconds": "ttl",
    "locale": "language",
    "url_template": "magic_link_path",
    "metadata": "user_metadata",
}


def refusal_view(request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
    """Answer a refusal where 403 is a status that Passage's clients know."""
    return _answer(request, refusal, told(refusal))


def users_refusal_view(request: web.Request, refusal: Refusal, _request_id: str) -> web.Response:
    """Answer a refusal of a call on users: a key that may not do it is a bad key there, their clients know no 403."""
    found = told(refusal)
    return _answer(request, refusal, _INVALID_KEY if found is _NOT_ALLOWED else found)


def told(refusal: Refusal) -> Told:
    """Return what Passage says instead of a refusal."""
    if isinstance(refusal, PassageRefusal):
        return refusal.told
    if isinstance(refusal, NativeRefusal):
        return _told_native(refusal)
    if isinstance(refusal, Invalid | Malformed | TooLarge):
        return Told(400, "invalid_request", str(refusal))
    return _OWN.get(type(refusal), _FAULT)


def _told_native(refusal: NativeRefusal) -> Told:
    if refusal.native_code in _BAD_REQUEST:
        words = [f"{_passage_field(p['field'])}: {p['message']}" for p in refusal.errors]
        return Told(400, "invalid_request", "; ".join(words) or str(refusal))
    return _NATIVE.get(refusal.native_code, _FAULT)


def _passage_field(path: str) -> str:
    head, dot, rest = path.partition(".")
    return _FIELDS.get(head, head) + dot + rest


def _answer(request: web.Request, refusal: Refusal, found: Told) -> web.Response:
    headers = {"Cache-Control": "no-store", **retry_headers(refusal), **request.get(CORS, {})}
    return web.Response(
        body=orjson.dumps({"code": found.code, "error": found.error}),
        status=found.status,
        content_type="application/json",
        headers=headers,
    )
