"""What the routes of second factors answer with, as models."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from services.verifier.shapes import Redeemed


class SecondFactor(BaseModel):
    """A second factor. An unconfirmed one is not asked for yet."""

    id: UUID
    type: Literal["totp"]
    confirmed_at: AwareDatetime | None
    created_at: AwareDatetime


class NewSecondFactor(BaseModel):
    """A factor with its secret: base32, and as the `otpauth:` URI of a QR code. Told this once."""

    factor: SecondFactor
    secret: str
    uri: str


class SecondFactors(BaseModel):
    """The factors of a user, oldest first."""

    items: list[SecondFactor]


class Method(BaseModel):
    """A factor that a challenge may be answered with."""

    id: UUID
    type: Literal["totp"]


class Challenge(BaseModel):
    """A challenge, to be answered with a code within five minutes and five tries."""

    challenge: str
    challenge_expires_at: AwareDatetime
    methods: list[Method]


class SecondFactorPassed(Redeemed):
    """A sign-in with a second factor. `trust_token` spares this device the next one; null unless it was asked for."""

    trust_token: str | None
    trust_expires_at: AwareDatetime | None
