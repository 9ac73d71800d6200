"""The 200 of verify and exchange: link, user, state, metadata and a JWT (DESIGN §8)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.verifier.signing_keys import JWT_SECONDS, SigningKeys
from services.verifier.verdict import Redeemed
from shared.database import Row
from shared.links import link_view, load_state

JWT_TTL = timedelta(seconds=JWT_SECONDS)


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes answers. `issuer` is the verifier's public URL."""

    signing: SigningKeys
    issuer: str

    def body(self, redeemed: Redeemed, *, with_jwt: bool) -> dict[str, Any]:
        """Return the answer; a repeated one has the same claims, signed anew."""
        row = redeemed.row
        found: dict[str, Any] = {
            "link": link_view(row),
            "user": _user(row),
            "state": load_state(row["state"]),
            "metadata": row["metadata"],
        }
        if with_jwt:
            expires_at = (row["exchanged_at"] or row["consumed_at"]) + JWT_TTL
            found["jwt"] = self.signing.sign(self._claims(row, expires_at), row["jwt_algorithm"])
            found["jwt_expires_at"] = _whole_seconds(expires_at)
        return found

    def _claims(self, row: Row, expires_at: datetime) -> dict[str, Any]:
        consumed_at = int(row["consumed_at"].timestamp())
        return {
            "iss": self.issuer,
            "aud": str(row["app_id"]),
            "sub": str(row["user_id"]),
            "jti": str(row["id"]),
            "iat": consumed_at,
            "nbf": consumed_at,
            "exp": int(expires_at.timestamp()),
            "amr": _methods(row),
        }


def _methods(row: Row) -> list[str]:
    """Return how the user showed who they are (RFC 8176): a link or a one-time passcode, and what it was sent by, if we sent it."""
    door = "otp" if row["consumed_via"] == "passcode" else "link"
    return [door] if row["channel"] == "none" else [door, row["channel"]]


def _user(row: Row) -> dict[str, Any]:
    return {
        "id": row["user_id"],
        "email": row["email"],
        "phone": row["phone"],
        "email_verified": row["email_verified"],
        "phone_verified": row["phone_verified"],
        "metadata": row["user_metadata"],
        "created_at": row["user_created_at"],
    }


def _whole_seconds(moment: datetime) -> datetime:
    return datetime.fromtimestamp(int(moment.timestamp()), UTC)
