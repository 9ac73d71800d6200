"""The four vendors' APIs as their SDKs speak them, in plain HTTP: who signs in, what proves it, and what redeems the proof."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp

from tests.clusters import House

Json = dict[str, Any]


class Said(Enum):
    """What a caller was told about a proof."""

    WON = "won"
    LOST = "it is used"
    AWAY = "ask again"
    NOTHING = "no answer came"


def somebody() -> str:
    return f"v{uuid4().hex}@example.com"


@dataclass(frozen=True)
class Vendor(ABC):
    """One vendor's calls, with the credentials that `dev.json` gives to its SDK."""

    house: House
    given: Mapping[str, str]
    name: ClassVar[str]
    lost: ClassVar[tuple[int, str]]
    """How this vendor says that a proof is used: the status and the name of the error."""

    @classmethod
    def of(cls, house: House) -> Self:
        apps = house.cluster.vendor_apps
        assert apps is not None
        return cls(house, apps.vendors[cls.name])

    @abstractmethod
    async def begin(self) -> Json:
        """Start a sign-in of somebody new; return the proof that a link or a message carries."""

    @abstractmethod
    async def redeem(self, proof: Json, **headers: str) -> tuple[int, Any]:
        """Redeem a proof; return status and body."""

    async def ask(self, proof: Json, **headers: str) -> Said:
        """Redeem a proof; return what that came to. Fails for an answer that tells a caller nothing."""
        try:
            status, body = await self.redeem(proof, **headers)
        except (aiohttp.ClientError, TimeoutError):
            return Said.NOTHING
        if status == 200:
            return Said.WON
        if (status, error_of(body)) == self.lost:
            return Said.LOST
        assert status == 503 or error_of(body) == "magic_link_in_progress", f"{self.name}: {status} {body}"
        return Said.AWAY

    async def call(self, method: str, path: str, body: Json, **headers: str) -> tuple[int, Any]:
        url = self.house.cluster.compat_urls[0] + path
        async with self.house.session.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            return response.status, (await response.json(content_type=None) if raw else None)

    async def done(self, path: str, body: Json, **headers: str) -> Any:
        """POST what must succeed; return the body."""
        status, answer = await self.call("POST", path, body, **headers)
        assert status in (200, 201), f"{self.name}: {status} {answer}"
        return answer


class Stytch(Vendor):
    """Embeddable magic links (VENDORS §1.5)."""

    name = "stytch"
    lost = (401, "unable_to_auth_magic_link")

    @property
    def credentials(self) -> dict[str, str]:
        pair = f"{self.given['project_id']}:{self.given['secret']}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def begin(self) -> Json:
        user = await self.done("/v1/users", {"email": somebody()}, **self.credentials)
        link = {"user_id": user["user_id"], "expiration_minutes": 60}
        return {"token": (await self.done("/v1/magic_links", link, **self.credentials))["token"]}

    async def redeem(self, proof: Json, **headers: str) -> tuple[int, Any]:
        body = {**proof, "session_duration_minutes": 60}
        return await self.call("POST", "/v1/magic_links/authenticate", body, **self.credentials, **headers)


class WorkOS(Vendor):
    """Magic Auth (VENDORS §2.5); passwordless sessions are made by `new_session`."""

    name = "workos"
    lost = (400, "invalid_one_time_code")

    @property
    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.given['api_key']}"}

    async def begin(self) -> Json:
        made = await self.new_code(somebody())
        return {"email": made["email"], "code": made["code"]}

    async def redeem(self, proof: Json, **headers: str) -> tuple[int, Any]:
        body = {
            "grant_type": "urn:workos:oauth:grant-type:magic-auth:code",
            "client_id": self.given["client_id"],
            "client_secret": self.given["api_key"],
            **proof,
        }
        return await self.call("POST", "/user_management/authenticate", body, **headers)

    async def new_code(self, email: str, **headers: str) -> Any:
        """Make a Magic Auth."""
        return await self.done("/user_management/magic_auth", {"email": email}, **self.credentials, **headers)

    async def new_session(self, email: str, state: str | None = None, **headers: str) -> Any:
        """Make a passwordless session."""
        body = {
            "email": email,
            "type": "MagicLink",
            "redirect_uri": self.given["redirect_uri"],
            "state": state,
        }
        return await self.done("/passwordless/sessions", body, **self.credentials, **headers)


class Passage(Vendor):
    """Magic links, activated by a browser (VENDORS §3.5)."""

    name = "passage"
    lost = (401, "invalid_magic_link")

    @property
    def app(self) -> str:
        return f"/v1/apps/{self.given['app_id']}"

    async def begin(self) -> Json:
        key = {"Authorization": f"Bearer {self.given['api_key']}"}
        made = await self.done(f"{self.app}/magic-links", {"email": somebody()}, **key)
        (text,) = parse_qs(urlsplit(made["magic_link"]["url"]).query)["psg_magic_link"]
        return {"magic_link": text}

    async def redeem(self, proof: Json, **headers: str) -> tuple[int, Any]:
        return await self.call("PATCH", f"{self.app}/magic-link/activate", proof, **headers)


class FusionAuth(Vendor):
    """Passwordless login (VENDORS §4.3)."""

    name = "fusionauth"
    lost = (404, "")

    async def begin(self) -> Json:
        return await self.begin_for(await self.new_user())

    async def begin_for(self, email: str, **state: str) -> Json:
        """Start a login of a user."""
        application_id = self.given["application_id"]
        asked = {"applicationId": application_id, "loginId": email, "state": state or None}
        made = await self.done("/api/passwordless/start", asked, Authorization=self.given["api_key"])
        return {"code": made["code"], "applicationId": application_id}

    async def new_user(self) -> str:
        """Make a user who is registered with the application; return the address."""
        email, key = somebody(), {"Authorization": self.given["api_key"]}
        user = {"user": {"email": email}, "skipVerification": True}
        made = (await self.done("/api/user", user, **key))["user"]
        registration = {"registration": {"applicationId": self.given["application_id"], "roles": ["user"]}}
        await self.done(f"/api/user/registration/{made['id']}", registration, **key)
        return email

    async def redeem(self, proof: Json, **headers: str) -> tuple[int, Any]:
        return await self.call("POST", "/api/passwordless/login", proof, **headers)


VENDORS: tuple[type[Vendor], ...] = (Stytch, WorkOS, Passage, FusionAuth)


def error_of(body: Any) -> str:
    """Return the name of an error in whichever vendor's words."""
    return str(body.get("error_type") or body.get("code") or "") if isinstance(body, dict) else ""
