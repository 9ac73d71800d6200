"""One cluster for each half of the suite.

`house`, `documented`: the native API held against its documents. `vendor_house`: compat, with an app and a key for each vendor
(`vendor_house.vendors`, `compat_url`, `change_app`, `until_caught` for mails); an SDK runs by `tests.conformance.sdks.running_sdk`, over TLS by
`tls_url` with `local_ca.environment`.
"""

from collections.abc import AsyncIterator

import pytest

from services.dev.plan import Plan
from tests.certificates import Certificates, make_certificates
from tests.clusters import House, running_house
from tests.conformance.documented import Documented
from tests.conformance.tls_front import tls_front
from tests.conformance.vendor_house import VendorHouse


@pytest.fixture(scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    limits = {"MAGICLINK_RATE_PER_ADDRESS": "1000000", "MAGICLINK_RATE_PER_KEY": "1000000"}
    async with running_house(
        tmp_path_factory.mktemp("conformance"), Plan(environment={"*": limits})
    ) as house:
        yield house


@pytest.fixture
async def documented(house: House) -> Documented:
    return await Documented.of(house)


@pytest.fixture(scope="session")
async def vendor_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VendorHouse]:
    """A cluster with compat, and an app with a key for each vendor."""
    limits = {"MAGICLINK_RATE_PER_ADDRESS": "1000000", "MAGICLINK_RATE_PER_KEY": "1000000"}
    plan = Plan(compats=1, environment={"*": limits})
    async with running_house(tmp_path_factory.mktemp("vendors"), plan) as house:
        yield VendorHouse.of(house)


@pytest.fixture(scope="session")
def local_ca(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
async def tls_url(vendor_house: VendorHouse, local_ca: Certificates) -> AsyncIterator[str]:
    """Compat behind TLS, by a certificate that `local_ca.environment` makes SDKs trust."""
    async with tls_front(local_ca.server, vendor_house.cluster.ports["compat"]) as port:
        yield f"https://localhost:{port}"
