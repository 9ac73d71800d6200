"""FusionAuth's SDK against the cluster: each test makes users of its own in the demo tenant."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.fusionauth.fusion import Fusion
from tests.conformance.sdks import running_sdk
from tests.conformance.vendor_house import VendorHouse

SDK = Path(__file__).parent / "sdk"


@pytest.fixture(scope="session")
async def fusion(vendor_house: VendorHouse) -> AsyncIterator[Fusion]:
    given = vendor_house.vendors["fusionauth"]
    environment = {"FUSIONAUTH_KEY": given["api_key"], "FUSIONAUTH_URL": vendor_house.compat_url}
    async with running_sdk("fusionauth", SDK, environment) as sdk:
        yield Fusion(vendor_house, sdk, given)
