"""The login policy: whether a proof is enough to sign somebody in, or what is missing (issue 5; the order is FusionAuth's).

1. The address of this sign-in is verified, where the app asks for that.
2. The registration at the application is verified, where that asks for it. No registration at all is no refusal: the answer says so.
3. No password change is due.
4. A user with a second factor passes it, unless their device is trusted. A challenge is opened, one a link and opener, so that the same attempt hears
   the same again and a storm of attempts opens no more of them.

Each is decided by how things stand now. Who asks again gets past the second factor by its challenge only.
"""

from dataclasses import dataclass
from typing import Any

from services.verifier.answer import holder_view
from services.verifier.challenges import Challenges, Opening
from services.verifier.login import changed_by_link
from services.verifier.proof import LoginWanted, Proven
from services.verifier.trusted_devices import TrustedDevices
from shared.database import Row
from shared.errors import (
    AddressUnverified,
    PasswordChangeRequired,
    RegistrationUnverified,
    SecondFactorRequired,
)
from shared.users import registration_view


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """Asks what stands against a sign-in. Reads nothing for who has no second factor."""

    challenges: Challenges
    devices: TrustedDevices

    async def check(self, proven: Proven, wanted: LoginWanted, registration: Row | None) -> None:
        """Return when nothing does. Raises the refusal of the first step that fails, with what the caller needs to go on."""
        check_standing(proven, registration)
        row = proven.row
        if not row["holder_has_second_factor"]:
            return
        app_id, user_id = row["login_app"], row["holder_id"]
        if await self.devices.is_trusted(app_id, user_id, wanted.trust_token):
            return
        link_id = None if proven.link is None else proven.link.link_id
        login = {**wanted.stored(), "opener": proven.asked.opener}
        raise SecondFactorRequired(
            members=await self.challenges.pose(Opening(app_id, user_id, login, link_id))
        )


def check_standing(proven: Proven, registration: Row | None) -> None:
    """Check steps 1 to 3, for which the rows are enough. Raises their refusals."""
    row = proven.row
    if row["require_verified"] and _is_unverified(proven):
        raise AddressUnverified(members={"user": _user(proven)})
    if registration is not None and registration["id"] is not None:
        asks = registration["require_verified_registration"]
        if asks and not registration["verified"]:
            members = {"user": _user(proven), "registration": registration_view(registration)}
            raise RegistrationUnverified(members=members)
    if row["holder_password_change_required"]:
        raise PasswordChangeRequired(members={"user": _user(proven)})


def _user(proven: Proven) -> dict[str, Any]:
    """Return the user as they are now."""
    return {**holder_view(proven.row), **changed_by_link(proven)}


def _is_unverified(proven: Proven) -> bool:
    """Say whether the address of this sign-in is not verified. Who has none, a user by name only, has nothing to verify."""
    user = _user(proven)
    channel = "none" if proven.link is None else proven.row["channel"]
    by_phone = channel in ("sms", "whatsapp") or (channel == "none" and user["email"] is None)
    name = "phone" if by_phone else "email"
    return user[name] is not None and not user[f"{name}_verified"]
