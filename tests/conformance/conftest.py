"""One cluster for the whole suite, and its documents as it serves them."""

from collections.abc import AsyncIterator

import pytest

from services.dev.plan import Plan
from tests.clusters import House, running_house
from tests.conformance.documented import Documented


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
