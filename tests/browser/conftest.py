"""A cluster with the example site, Chromium, and people who use it. `.ci/run` installs Chromium."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.async_api import Browser, async_playwright, expect

from services.dev import dev_file
from services.dev.demo_app import DemoApp
from services.dev.launcher import EXAMPLE_SITE
from services.dev.plan import Plan
from tests.browser.visitor import Visitor, visiting
from tests.clusters import House, running_house

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",  # it does not run as root with one, and sees our own pages only
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # Whatever else the browser wants to know of the world, it does not find it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip


# A whole cluster and a browser share this machine with whatever else runs on it.
expect.set_options(timeout=20_000)


class Visit(Protocol):
    """Opens a visitor's browser; options are those of Playwright's `new_context`."""

    def __call__(self, *others: str, **options: Any) -> AbstractAsyncContextManager[Visitor]: ...


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `make test` leaves all of them out."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A cluster with the example site beside it, and compat."""
    async with running_house(tmp_path_factory.mktemp("browser"), Plan(compats=1)) as house:
        cluster = house.cluster
        dev = dev_file.describe(cluster, DemoApp(house.app_id, house.api_key))
        path = dev_file.write(cluster.data_dir, dev)
        port = str(cluster.ports["site"])
        argv = [sys.executable, str(EXAMPLE_SITE), "--port", port, "--dev-json", str(path)]
        await cluster.add("site", argv, cluster.site_url)
        yield house


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def visit(chromium: Browser, house: House) -> Visit:
    """Make visitors, each with cookies of their own, who may ask the cluster and the `others` they name."""
    own = [house.verifier_url, house.cluster.site_url, house.cluster.inbox_url]

    def open_browser(*others: str, **options: Any) -> AbstractAsyncContextManager[Visitor]:
        return visiting(chromium, [*own, *others], **options)

    return open_browser
