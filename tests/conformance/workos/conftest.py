"""Products on WorkOS's SDKs: version 10 and version 6, over plain HTTP and over TLS."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.conformance.sdks import running_sdk
from tests.conformance.vendor_house import VendorHouse
from tests.conformance.workos.product import Product

FOLDER = Path(__file__).parent / "sdk"
VERSIONS = ("workos10", "workos6")


@pytest.fixture(scope="session", params=VERSIONS)
async def product(request: pytest.FixtureRequest, vendor_house: VendorHouse) -> AsyncIterator[Product]:
    environment = Product.environment(vendor_house, vendor_house.compat_url)
    async with running_sdk(request.param, FOLDER, environment) as sdk:
        yield Product(vendor_house, sdk)


@pytest.fixture(scope="session", params=VERSIONS)
async def product_over_tls(
    request: pytest.FixtureRequest, vendor_house: VendorHouse, tls_url: str, local_ca: Certificates
) -> AsyncIterator[Product]:
    environment = Product.environment(vendor_house, tls_url) | local_ca.environment
    async with running_sdk(request.param, FOLDER, environment) as sdk:
        yield Product(vendor_house, sdk)
