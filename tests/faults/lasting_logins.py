"""What people keep of a sign-in for long: sessions, refresh tokens, second factors, trusted devices, and links that somebody waits for."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from services.verifier import totp
from tests.clusters import House


async def ask(house: House, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    """Ask the verifier; return the answer, which must have this status."""
    answered, answer, _ = await house.call("POST", f"{house.verifier_url}{path}", body, key=uuid4().hex)
    assert answered == status, f"{path}: {answered} {answer}"
    found: dict[str, Any] = answer
    return found


@dataclass
class LastingLogins:
    """One of each, made with the keys of that time."""

    house: House
    user_id: str
    secret: bytes
    session: dict[str, Any]
    """A session with its tokens and JWT, of a link."""
    trust_token: str
    challenge: str
    """Open, and answered in time."""
    used_link: dict[str, Any]
    """Somebody waits for it and has not asked yet."""
    waiting_link: dict[str, Any]
    webhook: dict[str, Any]
    once: str
    """The idempotency key that the webhook was made by."""

    @classmethod
    async def make(cls, house: House) -> "LastingLogins":
        signed_in, used, waiting = await house.make_links(3, ttl_seconds=900)
        session = await ask(
            house, "/v1/links/verify", {"token": signed_in["token"], "session": {"refresh": True}}
        )
        await ask(house, "/v1/links/verify", {"token": used["token"], "jwt": False})
        body = {"email": f"{uuid4().hex}@example.com"}
        _, user, _ = await house.call("POST", f"{house.issuer_url}/v1/users", body)
        secret = totp.new_secret()
        lasting = cls(house, user["id"], secret, session, "", "", used, waiting, {}, uuid4().hex)
        await lasting._enrol()
        passed = await lasting.pass_second_step(await lasting.ask_for_code(), 0, trust_device=True)
        lasting.trust_token = passed["trust_token"]
        lasting.challenge = await lasting.ask_for_code()
        lasting.webhook = await lasting.make_webhook()
        return lasting

    async def _enrol(self) -> None:
        code = totp.code_of(self.secret, totp.step_at(time.time()) - 1)
        body = {"type": "totp", "secret": totp.secret_text(self.secret), "code": code}
        await ask(self.house, f"/v1/users/{self.user_id}/second-factors", body, 201)

    async def make_webhook(self) -> dict[str, Any]:
        """Make it, or have the answer that made it again."""
        url, body = f"{self.house.issuer_url}/v1/webhooks", {"url": "https://hooks.example/in"}
        status, made, _ = await self.house.call("POST", url, body, key=self.once)
        assert status == 201, made
        found: dict[str, Any] = made
        return found

    async def ask_for_code(self) -> str:
        """Redeem a new link of the user with a second factor; return the challenge."""
        refused = await ask(self.house, "/v1/links/verify", {"token": await self._new_token()}, 403)
        assert refused["code"] == "second_factor_required", refused
        challenge: str = refused["challenge"]
        return challenge

    async def pass_second_step(self, challenge: str, steps: int, **wanted: Any) -> dict[str, Any]:
        """Answer with the code of a step around now; each works once."""
        code = totp.code_of(self.secret, totp.step_at(time.time()) + steps)
        body = {"challenge": challenge, "code": code, **wanted}
        return await ask(self.house, "/v1/second-factors/verify", body)

    async def _new_token(self) -> str:
        link = await self.house.ask(user_id=self.user_id)
        token: str = link["token"]
        return token

    async def use(self) -> None:
        """Use each once more. Fails with the first that does not work as it did."""
        house, session = self.house, self.session
        for name in ("session_token", "jwt"):
            used = await ask(house, "/v1/sessions/authenticate", {name: session[name]})
            assert used["session_token"] == session["session_token"]
        told = await ask(house, "/v1/jwts/introspect", {"jwt": session["jwt"]})
        assert (told["active"], told["session"]) == (True, "live")
        rotated = await ask(
            house, "/v1/sessions/refresh", {"refresh_token": session["refresh_token"], "rotate": True}
        )
        session["refresh_token"] = rotated["refresh_token"]
        trusted = {"token": await self._new_token(), "trust_token": self.trust_token}
        await ask(house, "/v1/links/verify", trusted)
        await self._use_polls()
        assert (await self.make_webhook())["secret"] == self.webhook["secret"]

    async def use_challenge(self) -> None:
        """Answer the challenge that was open, with the next code that works."""
        await self.pass_second_step(self.challenge, 1)

    async def _use_polls(self) -> None:
        wanted = {"poll_token": self.used_link["poll_token"], "session": {}}
        first, again = [await ask(self.house, "/v1/links/poll", wanted) for _ in range(2)]
        assert first["status"] == "consumed"
        assert first["session_token"] == again["session_token"]
        told = await ask(self.house, "/v1/links/poll", {"poll_token": self.waiting_link["poll_token"]})
        assert told["status"] == "issued"
