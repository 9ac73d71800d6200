"""The project that calls, by `Authorization: Basic project_id:secret` (VENDORS §1.1), and its users by Stytch's ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from services.compat.accounts import Account, Accounts
from services.compat.native import Caller
from services.compat.stytch.credentials import read_credentials
from services.compat.stytch.errors import USER_NOT_FOUND, StytchRefusal, refuse
from services.compat.stytch.ids import Ids
from services.compat.users import user_of_public_id, user_with
from shared.errors import Unauthorized
from shared.http.routes import Call, Delegated, json_response
from shared.public_ids import parse_id

VENDOR: Final = "stytch"
BY_SECRET: Final = Delegated("the project's secret, a native API key, which the native API checks")

User = Mapping[str, Any]
"""A user as the native API tells them."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project that showed its secret, and the request that it makes."""

    account: Account
    ids: Ids
    request_id: str

    @property
    def native(self) -> Caller:
        return self.account.native

    def answer(self, **members: Any) -> web.Response:
        """Answer 200 with the envelope around what the call returns."""
        envelope = {"status_code": 200, "request_id": self.ids.request(self.request_id)}
        return json_response({**envelope, **members})

    def native_id(self, user_id: str) -> UUID | None:
        """Return the native id that a text is the app's own form of, or None. Whether there is such a user is not asked here."""
        return parse_id(self.account.app.settings["user_id_format"], user_id)

    async def user(self, user_id: str) -> User:
        """Return the user that a Stytch call names by `user_id`: their id, or the `external_id` that the product gave them.

        Raises `StytchRefusal`: 404 for an id of nobody, 400 for what is neither an id nor anybody's external id.
        """
        found: User | None = None
        if user_id:
            found = await user_of_public_id(self.account, user_id)
            found = found or await user_with(self.native, "external_id", user_id)
        if found is not None:
            return found
        if self.native_id(user_id) is None and not self.ids.is_of_user(user_id):
            raise StytchRefusal(400, "invalid_user_id", "user_id format is invalid.")
        raise refuse(USER_NOT_FOUND)

    async def find_user(self, name: str, value: str) -> User | None:
        """Return the user with this `email` or `phone`, or None. Raises `NativeRefusal` for what is none."""
        found = await self.native.issuer("GET", "/v1/users", query={name: value})
        items: list[User] = found["items"]
        return items[0] if items else None


async def project_of(accounts: Accounts, call: Call) -> Project:
    """Return the calling project. Raises `Unauthorized` for a wrong secret and for another project's."""
    given = read_credentials(call.request)
    if given is None:
        raise Unauthorized
    account = await accounts.of_key(VENDOR, given.secret)
    if account.app.vendor_id != given.project_id:
        raise Unauthorized
    return Project(account, Ids.of_project(given.project_id), call.request_id)
