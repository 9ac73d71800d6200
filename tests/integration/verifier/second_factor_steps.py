"""What tests of second factors do over HTTP: make one, redeem a link, answer the challenge."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from services.verifier import totp
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import SeededApp

SECRET = b"12345678901234567890"


def code_in(steps: int, secret: bytes = SECRET) -> str:
    """Return the code of a step around now: the server takes those of -1, 0 and 1. Not at the very end of a step: it would be one off."""
    left = totp.STEP_SECONDS - time.time() % totp.STEP_SECONDS
    if left < 1:
        time.sleep(left)
    return totp.code_of(secret, totp.step_at(time.time()) + steps)


def wrong_code(secret: bytes = SECRET) -> str:
    """Return a code that is right at no moment around now."""
    near = {code_in(offset, secret) for offset in range(-3, 4)}
    return next(code for number in range(9) if (code := f"{number:06}") not in near)


@dataclass(frozen=True, slots=True)
class Product:
    """An app's server, as it calls a verifier."""

    verifier: RunningVerifier
    app: SeededApp

    async def post(self, path: str, body: Any = None, key: str | None = None) -> Answer:
        headers = {**self.app.headers, "Idempotency-Key": key or str(uuid4())}
        return await self.verifier.ask("POST", path, json=body or {}, headers=headers)

    async def ask(self, method: str, path: str) -> Answer:
        return await self.verifier.ask(method, path, headers=self.app.headers)

    async def enrol(self, user_id: UUID, secret: bytes = SECRET) -> dict[str, Any]:
        """Give the user a confirmed factor; the code of the step before now is used by it."""
        body = {"type": "totp", "secret": totp.secret_text(secret), "code": code_in(-1, secret)}
        made = await self.post(f"/v1/users/{user_id}/second-factors", body)
        assert made.status == 201, made.text
        factor: dict[str, Any] = made.json["factor"]
        return factor

    async def verify(self, token: str, key: str | None = None, **body: Any) -> Answer:
        return await self.post("/v1/links/verify", {"token": token, **body}, key)

    async def challenge(self, token: str, **body: Any) -> str:
        """Redeem a link of a user with a second factor; return the challenge."""
        refused = await self.verify(token, **body)
        assert (refused.status, refused.code) == (403, "second_factor_required"), refused.text
        challenge: str = refused.json["challenge"]
        return challenge

    async def answer(self, challenge: str, code: str, key: str | None = None, **body: Any) -> Answer:
        return await self.post(
            "/v1/second-factors/verify", {"challenge": challenge, "code": code, **body}, key
        )
