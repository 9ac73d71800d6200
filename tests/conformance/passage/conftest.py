"""A product on Passage's SDK, and the browser of somebody who signs in to it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.certificates import Certificates
from tests.conformance.sdks import Sdk, SdkError, running_sdk
from tests.conformance.vendor_house import VendorHouse

SDK_FOLDER = Path(__file__).with_name("sdk")


@dataclass(frozen=True)
class PassageHouse:
    """`sdk` runs `sdk/calls.py`; `browser` calls as the vendor's browser library does."""

    house: VendorHouse
    sdk: Sdk

    @property
    def app_id(self) -> str:
        return self.house.vendors["passage"]["app_id"]

    @property
    def api_url(self) -> str:
        return f"{self.house.compat_url}/v1/apps/{self.app_id}"

    @property
    def keyed(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.house.vendors['passage']['api_key']}"}

    async def call(self, function: str, /, **args: Any) -> Any:
        return await self.sdk.call(f"calls:{function}", **args)

    async def refused(self, function: str, /, **args: Any) -> dict[str, Any]:
        """Return the fields of the SDK's own exception."""
        with pytest.raises(SdkError) as error:
            await self.call(function, **args)
        assert error.value.kind == "PassageError", error.value
        return error.value.fields

    async def link(self, by: Mapping[str, str], **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.call("create_magic_link", by=by, **more)
        return made

    async def browser(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        headers = {
            "Origin": self.house.site_url,
            "Passage-Version": "@passageidentity/passage-js 4.1.2",
            **headers,
        }
        async with self.house.session.request(
            method, self.api_url + path, json=body, headers=headers
        ) as response:
            text = await response.read()
            return response.status, (await response.json() if text else None), response.headers

    async def activate(self, url: str) -> tuple[int, Any]:
        """Do what the library does on the page that a link leads to."""
        status, told, _ = await self.browser("PATCH", "/magic-link/activate", {"magic_link": text_of(url)})
        return status, told

    async def signed_in(self, url: str) -> dict[str, Any]:
        status, told = await self.activate(url)
        assert status == 200, told
        result: dict[str, Any] = told["auth_result"]
        return result

    async def waited(self, link_id: str) -> tuple[int, Any]:
        status, told, _ = await self.browser("POST", "/magic-link/status", {"id": link_id})
        return status, told


def text_of(url: str) -> str:
    """Return what the page finds in its own URL."""
    return parse_qs(urlsplit(url).query)["psg_magic_link"][0]


def fresh_email() -> str:
    return f"p{uuid4().hex}@example.com"


def fresh_phone() -> str:
    return f"+1500555{uuid4().int % 10_000:04d}"


def environment(house: VendorHouse, base_url: str) -> dict[str, str]:
    given = house.vendors["passage"]
    return {
        "PASSAGE_BASE_URL": base_url,
        "PASSAGE_APP_ID": given["app_id"],
        "PASSAGE_API_KEY": given["api_key"],
    }


@pytest.fixture(scope="session")
async def passage(vendor_house: VendorHouse) -> AsyncIterator[PassageHouse]:
    async with running_sdk("passage", SDK_FOLDER, environment(vendor_house, vendor_house.compat_url)) as sdk:
        yield PassageHouse(vendor_house, sdk)


@pytest.fixture
async def passage_over_tls(
    vendor_house: VendorHouse, tls_url: str, local_ca: Certificates
) -> AsyncIterator[PassageHouse]:
    around = environment(vendor_house, tls_url) | local_ca.environment
    async with running_sdk("passage", SDK_FOLDER, around) as sdk:
        yield PassageHouse(vendor_house, sdk)
