"""The one Twilio account that the inbox plays."""

import base64
import hmac
from dataclasses import dataclass, field

from services.dev.inbox.twilio_rules import TwilioRefusedError


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Account SID and auth token, as the notifier is configured with."""

    sid: str
    auth_token: str = field(repr=False)


def authenticate(account: TwilioAccount | None, path_sid: str, authorization: str | None) -> TwilioAccount:
    """The account, or a 401 (code 20003) for any other pair, another account's path, or when none is configured."""
    expected = (account.sid, account.auth_token) if account else None
    given = _basic_credentials(authorization)
    if account is None or expected is None or given is None:
        raise _refusal()
    same = [
        hmac.compare_digest(mine.encode(), theirs.encode())
        for mine, theirs in zip(expected, given, strict=True)
    ]
    if not all(same) or path_sid != account.sid:
        raise _refusal()
    return account


def _refusal() -> TwilioRefusedError:
    return TwilioRefusedError(20003, "Authenticate", status=401)


def _basic_credentials(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8 in it
        return None
    return (user, password) if colon else None
