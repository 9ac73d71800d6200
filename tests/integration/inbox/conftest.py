from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from services.dev.inbox import InboxOptions, start
from tests.integration.inbox.inbox_client import ACCOUNT, InboxClient


@pytest_asyncio.fixture
async def client() -> AsyncIterator[InboxClient]:
    inbox = await start(InboxOptions(http_port=0, smtp_port=0, twilio=ACCOUNT, status_pace_seconds=600))
    async with aiohttp.ClientSession(inbox.url) as http:
        yield InboxClient(inbox, http)
    await inbox.close()
