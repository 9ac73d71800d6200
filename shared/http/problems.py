"""The one map from refusals to HTTP (RFC 9457 `application/problem+json`)."""

import math
from collections.abc import Mapping

import orjson
from aiohttp import web

from shared import errors
from shared.database import is_away
from shared.errors import Invalid, Refusal, Unavailable
from shared.http.answers import Answer

STATUS: Mapping[type[Refusal], int] = {
    errors.Malformed: 400,
    errors.Invalid: 422,
    errors.TooLarge: 413,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.ForeignOrigin: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.IdempotencyConflict: 409,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
    errors.InternalFault: 500,
    errors.LinkInvalid: 404,
    errors.LinkConsumed: 409,
    errors.LinkExpired: 410,
    errors.LinkRevoked: 410,
    errors.LinkNotYetValid: 409,
    errors.LinkInProgress: 409,
    errors.GrantInvalid: 400,
    errors.PasscodeInvalid: 400,
    errors.PairingRequired: 403,
    errors.ScannerRefused: 403,
    errors.LinkOver: 409,
    errors.AlreadySent: 409,
    errors.NotSent: 409,
    errors.UserInactive: 403,
    errors.UserLocked: 403,
    errors.UserSuspended: 403,
    errors.UserExpired: 403,
    errors.SecondFactorRequired: 403,
    errors.PasswordChangeRequired: 403,
    errors.AddressUnverified: 403,
    errors.RegistrationUnverified: 403,
    errors.ChallengeInvalid: 404,
    errors.SecondFactorInvalid: 400,
    errors.SessionInvalid: 404,
    errors.RefreshTokenInvalid: 400,
    errors.ClientMismatch: 403,
    errors.CodeVerifierInvalid: 400,
}


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return STATUS[type(refusal)]


def problem(refusal: Refusal) -> dict[str, object]:
    """Return the problem object: `type`, `title`, `status`, `code`, and `detail` and `errors` where there are any."""
    found: dict[str, object] = {
        "type": "about:blank",
        "title": refusal.title(),
        "status": status_of(refusal),
        "code": refusal.code,
    }
    if refusal.detail:
        found["detail"] = refusal.detail
    if isinstance(refusal, Invalid):
        found["errors"] = [{"field": p.field, "rule": p.rule, "message": p.message} for p in refusal.problems]
    return found | dict(refusal.members)


def problem_response(_request: web.Request, refusal: Refusal, request_id: str) -> web.Response:
    """Answer a refusal as JSON."""
    return Answer(
        body=orjson.dumps(
            {**problem(refusal), "request_id": request_id}, default=str, option=orjson.OPT_UTC_Z
        ),
        status=status_of(refusal),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **refusal_headers(refusal)},
    )


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """Return the headers that a refusal brings along."""
    headers = {}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after_seconds)))
    if isinstance(refusal, errors.Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="magiclink"'
    return headers


def as_refusal(error: BaseException) -> Refusal | None:
    """Return the refusal that an error means, or None for a fault of ours."""
    if isinstance(error, Refusal):
        return error
    if is_away(error):
        return Unavailable("the database does not answer", retry_after_seconds=1)
    return None
