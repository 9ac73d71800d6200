"""The second step of a sign-in: a challenge is answered with a code, and what the first step was asked for is done.

1. The code is counted and compared (challenges). Nothing is spent yet.
2. What stands against the sign-in is asked again: minutes have passed, and the caller may have named another application. A refusal here
   costs a try and neither the code nor the challenge.
3. The challenge is closed: the code's step is spent with it.
4. The sign-in goes on as after a link (login). An outage here costs nothing: the same attempt asks again and comes to this point.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from services.verifier.attempt import Attempt
from services.verifier.challenges import Challenges, Matched, TypedCode
from services.verifier.login import Login, proven_by_link
from services.verifier.login_policy import check_standing
from services.verifier.proof import Asked, LoginWanted, Proven
from services.verifier.store import VerifierStore
from services.verifier.trusted_devices import TrustedDevices
from shared.database import Row
from shared.errors import ChallengeInvalid
from shared.tokens import LinkRef


@dataclass(frozen=True, slots=True)
class Step:
    """A typed code and what goes with it. `anew` returns what is asked for, of what was asked for in the first step."""

    typed: TypedCode
    trust_device: bool
    anew: Callable[[LoginWanted], LoginWanted]
    request_id: str


@dataclass(frozen=True, slots=True)
class SecondStep:
    """Finishes sign-ins with a second factor."""

    challenges: Challenges
    devices: TrustedDevices
    store: VerifierStore
    login: Login

    async def take(self, step: Step) -> tuple[dict[str, Any], bool]:
        """Return the answer, and whether it was given before.

        Raises `ChallengeInvalid`, `SecondFactorInvalid`, what bars the user, what the policy has against the sign-in, and
        `Unavailable` when the outcome is unknown: the same attempt may ask again.
        """
        matched = await self.challenges.match(step.typed)
        wanted = step.anew(LoginWanted.of_stored(matched.row["login"]))
        proven = await self._first_proof(matched, step.request_id)
        registration = await self.login.find_registration(proven, wanted)
        if not matched.replayed:
            check_standing(proven, registration)
        done = await self.challenges.close(matched, trust_device=step.trust_device)
        body = await self.login.finish(_with_code(proven, done), wanted, registration)
        trust = await self.devices.find(done["app_id"], done["id"])
        body["trust_token"] = None if trust is None else trust.token
        body["trust_expires_at"] = None if trust is None else trust.expires_at
        return body, matched.replayed

    async def _first_proof(self, matched: Matched, request_id: str) -> Proven:
        """Return what was shown before: by the link as it stands now, or by the product's own word."""
        challenge = matched.row
        if challenge["link_id"] is None:
            holder = await self.login.sessions.find_holder(challenge["app_id"], challenge["user_id"])
            if holder is None:
                raise ChallengeInvalid
            # A session is named by the challenge, which is done once.
            asked = Asked(challenge["id"], request_id, "api")
            return Proven(holder, asked, at=holder["looked_at"])
        asked = Asked(matched.attempt_id, request_id, challenge["login"]["opener"])
        link = await self._look(challenge, matched, request_id)
        # Revocation may come after consumption and then wins.
        if link is None or link["revoked_at"] is not None or link["found_user"] is None:
            raise ChallengeInvalid
        return proven_by_link(link, asked)

    async def _look(self, challenge: Row, matched: Matched, request_id: str) -> Row | None:
        link = LinkRef(challenge["kid"], challenge["link_id"])
        attempt = Attempt(link, matched.attempt_id, challenge["app_id"], "api", request_id)
        return (await self.store.look([attempt])).get(matched.attempt_id)


def _with_code(proven: Proven, challenge: Row) -> Proven:
    """Return the proof with the code that closed the challenge. Whether the product's own word was a factor is not ours to say (`mfa`)."""
    done_at = challenge["done_at"]
    code = {
        "type": "totp",
        "delivery_method": "authenticator_app",
        "address": None,
        "at": done_at.isoformat(),
    }
    methods = (*proven.methods, "otp") if proven.link is None else (*proven.methods, "otp", "mfa")
    return replace(
        proven,
        at=done_at,
        told_at=None,
        factors=(*proven.factors, code),
        methods=tuple(dict.fromkeys(methods)),
    )
