"""What the tests of FusionAuth's SDK share: its calls, and users in the states that a login tells apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shared.api_keys import SCOPES
from tests.conformance.sdks import Sdk
from tests.conformance.vendor_house import VendorHouse

Answer = dict[str, Any]


@dataclass
class Fusion:
    """The SDK in its own process, the cluster behind it, and the tenant's ids."""

    house: VendorHouse
    sdk: Sdk
    given: Mapping[str, str]

    @property
    def application_id(self) -> str:
        return self.given["application_id"]

    @property
    def tenant_id(self) -> str:
        return self.given["tenant_id"]

    async def call(self, method: str, *args: Any, **options: Any) -> Answer:
        """Call a method of the SDK's client; return `status`, `success`, `error`, `text` and `cookies`."""
        answer: Answer = await self.sdk.call("calls:call", method=method, args=list(args), **options)
        return answer

    async def done(self, method: str, *args: Any, **options: Any) -> Any:
        """Call and return the body of a 200."""
        answer = await self.call(method, *args, **options)
        assert answer["status"] == 200, answer
        return answer["success"]

    async def done_empty(self, method: str, *args: Any, **options: Any) -> None:
        """Call what answers 200 with nothing."""
        answer = await self.call(method, *args, **options)
        assert (answer["status"], answer["text"]) == (200, ""), answer

    async def new_user(self, *, registered: bool = True, **fields: Any) -> Answer:
        """Make a user through the SDK, registered with the demo application unless told otherwise."""
        user = {"email": f"u{uuid4().hex}@example.com", **fields}
        made: Answer = (await self.done("create_user", {"user": user, "skipVerification": True}))["user"]
        if registered:
            registration = {"applicationId": self.application_id, "roles": ["user"]}
            await self.done("register", {"registration": registration}, made["id"])
        return made

    async def start(self, user: Mapping[str, Any], **more: Any) -> str:
        """Start a passwordless login; return its code."""
        request = {"applicationId": self.application_id, "loginId": user["email"], **more}
        return str((await self.done("start_passwordless_login", request))["code"])

    async def login(self, code: str, **more: Any) -> Answer:
        """Complete a login."""
        request = {"code": code, "applicationId": self.application_id, **more}
        return await self.call("passwordless_login", request)

    async def signed_in(self, user: Mapping[str, Any], **more: Any) -> Any:
        """Start and complete a login that must succeed; return its body."""
        answer = await self.login(await self.start(user), **more)
        assert answer["status"] == 200, answer
        return answer["success"]

    async def tenant_key(self, **limits: Any) -> str:
        """Make a key that may also change the tenant."""
        scopes = [scope for scope in SCOPES if scope not in ("apps:admin", "apps:act")]
        return await self.house.new_key(await self.house.app_of("fusionauth"), scopes, **limits)

    async def set_user(self, user: Mapping[str, Any], **columns: Any) -> None:
        """Change a user's row: states that only time or another product part brings about."""
        for column, value in columns.items():
            await self.house.execute(
                f"UPDATE magiclink.users SET {column} = $2 WHERE id = $1::uuid", user["id"], value
            )
