"""A product on WorkOS's SDK, its inbox and its users' browsers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from services.compat.workos import ids
from tests.conformance.sdks import Sdk, SdkError
from tests.conformance.vendor_house import VendorHouse
from tests.e2e.browsing import look, press


def somebody() -> str:
    return f"u{uuid4().hex}@example.com"


async def answered(
    first: Awaitable[Any], again: Callable[..., Awaitable[Any]], /, *args: Any, **asked: Any
) -> Any:
    """Return what a call made in an outage is told by its SDK's own retries; where they ran out, the product asks once more."""
    try:
        return await first
    except SdkError as error:
        if error.kind != "ServerError":
            raise
        return await again(*args, **asked)


@dataclass
class Product:
    """What the product does goes through its SDK; what its users do is mail and HTTP."""

    house: VendorHouse
    sdk: Sdk

    @staticmethod
    def environment(house: VendorHouse, base_url: str) -> dict[str, str]:
        given = house.vendors["workos"]
        return {"API_KEY": given["api_key"], "CLIENT_ID": given["client_id"], "BASE_URL": base_url}

    @property
    def given(self) -> Mapping[str, str]:
        return self.house.vendors["workos"]

    async def do(self, function: str, /, **args: Any) -> Any:
        """Do one of the things in `sdk/product.py`. Raises `SdkError`."""
        return await self.sdk.call(f"product:{function}", **args)

    async def session(self, **asked: Any) -> dict[str, Any]:
        """Make a passwordless session for somebody new, unless an e-mail address is given."""
        whole = {"email": somebody(), "redirect_uri": self.given["redirect_uri"], **asked}
        found: dict[str, Any] = await self.do("create_session", **whole)
        return found

    async def follow(self, link: str) -> dict[str, list[str]]:
        """Open the link, press its button, and return what the redirect brings to the product."""
        assert (await look(self.house, link))[0] == 200
        status, location, page = await press(self.house, link)
        assert status == 303, page
        assert location is not None
        assert location.partition("?")[0] == self.given["redirect_uri"]
        return parse_qs(urlsplit(location).query, keep_blank_values=True)

    async def code(self, **asked: Any) -> str:
        """Return the code of a new session whose link was followed."""
        return (await self.follow((await self.session(**asked))["link"]))["code"][0]

    async def signed_in(self) -> dict[str, Any]:
        """Sign somebody new in by Magic Auth."""
        made = await self.do("create_magic_auth", email=somebody())
        found: dict[str, Any] = await self.do("authenticate", code=made["code"], email=made["email"])
        return found

    async def age(self, form: str, vendor_id: str, **columns: str) -> None:
        """Let time pass for a link: `columns` are moved into the past by an interval."""
        changes = ", ".join(f"{name} = {name} - interval '{by}'" for name, by in columns.items())
        link_id: UUID = ids.native_id(form, vendor_id)
        await self.house.execute(f"UPDATE magiclink.links SET {changes} WHERE id = $1", link_id)
