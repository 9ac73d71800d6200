"""What some refusals bring along beside the members of every problem (RFC 9457 §3.2), as models: for the OpenAPI documents."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from shared import errors
from shared.http.openapi_parts import Absent
from shared.http.shapes import Registration, User


class ChallengedMethod(BaseModel):
    """A second factor that the challenge may be answered with."""

    id: UUID
    type: Literal["totp"]


class ChallengeMembers(BaseModel):
    """Of `second_factor_required`: the challenge to answer."""

    challenge: str | Absent = None
    challenge_expires_at: AwareDatetime | Absent = None
    methods: list[ChallengedMethod] | Absent = None


class SuspensionMembers(BaseModel):
    """Of `user_suspended`: why, and until when (null: until it is ended)."""

    status_reason: str | Absent | None = None
    suspended_until: AwareDatetime | Absent | None = None


class UserMembers(BaseModel):
    """Of `password_change_required` and `address_unverified`: who is meant."""

    user: User | Absent = None


class RegistrationMembers(UserMembers):
    """Of `registration_unverified`: who is meant, and what is not verified."""

    registration: Registration | Absent = None


MEMBERS: Mapping[type[errors.Refusal], type[BaseModel]] = {
    errors.SecondFactorRequired: ChallengeMembers,
    errors.UserSuspended: SuspensionMembers,
    errors.PasswordChangeRequired: UserMembers,
    errors.AddressUnverified: UserMembers,
    errors.RegistrationUnverified: RegistrationMembers,
}
