"""A product on Stytch's own SDK: `product` over plain HTTP, `tls_product` over TLS by a local CA."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.certificates import Certificates
from tests.conformance.sdks import Sdk, SdkError, running_sdk
from tests.conformance.vendor_house import VendorHouse

SDK = Path(__file__).parent / "sdk"


@dataclass
class Product:
    """The product, and the house that it signs people in with."""

    sdk: Sdk
    house: VendorHouse
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Others than the project's: `secret`, `project_id`."""

    async def ask(self, method: str, **args: Any) -> Any:
        """Call the SDK: `ask("magic_links.create", user_id=…)`."""
        return await self.sdk.call("calls:ask", method=method, args=args, **self.credentials)

    async def refused(self, method: str, **args: Any) -> tuple[int, str]:
        """Call the SDK, which raises its own error; return the error's status and type."""
        with pytest.raises(SdkError) as raised:
            await self.ask(method, **args)
        assert raised.value.kind == "StytchError", raised.value
        told = raised.value.fields["told"]
        assert told["error_message"]
        assert told["request_id"].startswith("request-id-test-")
        assert told["error_url"].endswith(told["error_type"])
        return told["status_code"], told["error_type"]

    async def user(self, **facts: Any) -> dict[str, Any]:
        """Make a user with an address of their own; return `users.create`'s answer."""
        facts = {"email": new_email(), **facts}
        made: dict[str, Any] = await self.ask("users.create", **facts)
        return made

    async def mailed(self, email: str, count: int = 1) -> str:
        """Return the token of the newest link in the inbox of an address."""
        mails = await self.house.until_caught(count, to=email)
        (link,) = {link for link in mails[0]["links"] if "stytch_token_type" in link}
        query = parse_qs(urlsplit(link).query)
        assert query["stytch_token_type"] == ["magic_links"]
        return str(query["token"][0])


def new_email() -> str:
    return f"u{uuid4().hex}@example.com"


def environment(house: VendorHouse, base_url: str) -> dict[str, str]:
    app = house.vendors["stytch"]
    return {
        "STYTCH_BASE_URL": base_url,
        "STYTCH_PROJECT_ID": app["project_id"],
        "STYTCH_SECRET": app["secret"],
    }


@pytest.fixture(scope="session")
async def product(vendor_house: VendorHouse) -> AsyncIterator[Product]:
    async with running_sdk("stytch", SDK, environment(vendor_house, vendor_house.compat_url)) as sdk:
        yield Product(sdk, vendor_house)


@pytest.fixture(scope="session")
async def tls_product(
    vendor_house: VendorHouse, tls_url: str, local_ca: Certificates
) -> AsyncIterator[Product]:
    given = {**environment(vendor_house, tls_url), **local_ca.environment}
    async with running_sdk("stytch", SDK, given) as sdk:
        yield Product(sdk, vendor_house)
