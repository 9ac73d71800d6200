"""One cluster for the whole end-to-end suite."""

from collections.abc import AsyncIterator

import pytest

from services.dev.plan import Plan
from tests.clusters import House, running_house


@pytest.fixture(scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running_house(tmp_path_factory.mktemp("e2e"), Plan(verifiers=2, compats=1)) as house:
        yield house
