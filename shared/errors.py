"""The closed family of refusals that services answer with.

Domain code raises these; only the HTTP edge knows status codes (DESIGN §10 rule 3). No message holds a token, an address
or anything else the caller did not send as a field name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that breaks a rule: `field` as a path (`links.3.email`), the rule's stable name, and words."""

    field: str
    rule: str
    message: str


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """Base of every refusal. `code` is stable and documented; the docstring is the title."""

    code: ClassVar[str] = "refused"

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: float | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        # Extension members of the problem (RFC 9457 §3.2): what the caller needs to go on with.
        self.members: Mapping[str, Any] = members or {}

    @classmethod
    @cache
    def title(cls) -> str:
        return (cls.__doc__ or cls.code).strip().splitlines()[0].rstrip(".")


class Invalid(Refusal):
    """The request breaks one or more rules."""

    code = "invalid_request"

    def __init__(self, problems: list[FieldProblem], detail: str = "") -> None:
        super().__init__(detail or "; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems


class Malformed(Refusal):
    """The request cannot be read."""

    code = "malformed_request"


class TooLarge(Refusal):
    """The body is too large."""

    code = "body_too_large"


class Unauthorized(Refusal):
    """The API key is missing, unknown, expired or revoked."""

    code = "unauthorized"


class Forbidden(Refusal):
    """The API key lacks the scope for this."""

    code = "forbidden"


class ForeignOrigin(Refusal):
    """The request comes from another site."""

    code = "foreign_origin"


class NotFound(Refusal):
    """There is no such thing here."""

    code = "not_found"


class AlreadyExists(Refusal):
    """Something with this unique value exists."""

    code = "already_exists"


class IdempotencyConflict(Refusal):
    """The Idempotency-Key was used with another body."""

    code = "idempotency_conflict"


class RateLimited(Refusal):
    """Too many requests."""

    code = "rate_limited"


class Unavailable(Refusal):
    """A part of the service is away; nothing was lost, try again."""

    code = "unavailable"


class InternalFault(Refusal):
    """A fault of this service."""

    code = "internal_error"


class LinkInvalid(Refusal):
    """The link is not known."""

    code = "link_invalid"


class LinkConsumed(Refusal):
    """The link was used already."""

    code = "link_consumed"


class LinkExpired(Refusal):
    """The link has expired."""

    code = "link_expired"


class LinkRevoked(Refusal):
    """The link was revoked."""

    code = "link_revoked"


class LinkNotYetValid(Refusal):
    """The link is not valid yet."""

    code = "link_not_yet_valid"


class LinkInProgress(Refusal):
    """Another attempt on this link is under way."""

    code = "link_in_progress"


class GrantInvalid(Refusal):
    """The code is unknown, used or late."""

    code = "grant_invalid"


class PasscodeInvalid(Refusal):
    """The passcode is wrong, used, late or locked."""

    code = "passcode_invalid"


class PairingRequired(Refusal):
    """The link works only in the browser that asked for it, or by its passcode."""

    code = "pairing_required"


class ScannerRefused(Refusal):
    """A program that examines mails may not redeem links."""

    code = "scanner_refused"


class LinkOver(Refusal):
    """The link was consumed, revoked or superseded, or has expired: there is nothing left to send."""

    code = "link_over"


class NotSent(Refusal):
    """The link was never sent; send it first."""

    code = "not_sent"


class AlreadySent(Refusal):
    """The link was sent already; resend it instead."""

    code = "already_sent"


class UserInactive(Refusal):
    """The user is not active."""

    code = "user_inactive"


class UserLocked(Refusal):
    """The user is locked."""

    code = "user_locked"


class UserSuspended(Refusal):
    """The user is suspended."""

    code = "user_suspended"


class UserExpired(Refusal):
    """The user's account has expired."""

    code = "user_expired"


class SecondFactorRequired(Refusal):
    """The link is redeemed; a second factor is needed to sign in."""

    code = "second_factor_required"


class PasswordChangeRequired(Refusal):
    """The link is redeemed; the user must change their password first."""

    code = "password_change_required"


class AddressUnverified(Refusal):
    """The link is redeemed; the user's address must be verified first."""

    code = "address_unverified"


class RegistrationUnverified(Refusal):
    """The link is redeemed; the user's registration must be verified first."""

    code = "registration_unverified"


class ChallengeInvalid(Refusal):
    """The challenge is unknown, done or late."""

    code = "challenge_invalid"


class SecondFactorInvalid(Refusal):
    """The second factor's code is wrong or used."""

    code = "second_factor_invalid"


class SessionInvalid(Refusal):
    """The session is unknown, over or revoked."""

    code = "session_invalid"


class RefreshTokenInvalid(Refusal):
    """The refresh token is unknown, used, late or revoked."""

    code = "refresh_token_invalid"


class ClientMismatch(Refusal):
    """The link was asked for from elsewhere."""

    code = "client_mismatch"


class CodeVerifierInvalid(Refusal):
    """The code verifier is missing or wrong."""

    code = "code_verifier_invalid"
